"""The acts on the email domains of an organization, which operators do; and the check of every day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.events.event import NOWHERE, SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.organizations.domain import (
    CHECK_AGAIN_SECONDS,
    LOST_AFTER_SECONDS,
    OrganizationDomain,
    new_challenge,
    normalise_domain,
)
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.organizations.domain import DnsRecords
    from gatepass.server.domain.organizations.manager import Manager
    from gatepass.server.domain.ports import Database, Transaction

log = structlog.get_logger("gatepass")

_AT_ONCE = 50
"""How many domains are checked in one run of the job."""


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def dns(self) -> DnsRecords: ...


class DomainAdministration:
    """The acts. An organization is named by id or slug, and refused as `Manager.find` says."""

    def __init__(self, needs: Needs, *, by: Manager, where: Origin = NOWHERE) -> None:
        self._database = needs.database
        self._providers = needs.settings.providers
        self._dns = needs.dns
        self._by = by
        self._where = where

    async def add(self, organization: str, domain: str, provider: str = "") -> OrganizationDomain:
        """Claim a domain: what proves it is in the answer.

        Raises:
            Refusal: `invalid_domain`, `unknown_provider` or `domain_exists`.
        """
        name = normalise_domain(domain)
        if isinstance(name, Refusal):
            raise name
        self._check_provider(provider)

        async def unit(tx: Transaction) -> OrganizationDomain | Refusal:
            found = await self._by.find(tx, organization)
            if isinstance(found, Refusal):
                return found
            added = OrganizationDomain(
                organization_id=found.id, domain=name, provider=provider, challenge=new_challenge(), created_at=tx.now
            )
            if not await tx.domains.add(added):
                return Refusal("domain_exists", "The organization has this domain already.")
            if provider:
                await tx.domains.dedicate(provider)
            await self._record(tx, "organization_domain_added", added)
            return added

        return await decide(self._database, unit)

    async def all(self, organization: str) -> list[OrganizationDomain]:
        """Every domain, by name."""

        async def unit(tx: Transaction) -> list[OrganizationDomain] | Refusal:
            found = await self._by.find(tx, organization)
            return found if isinstance(found, Refusal) else await tx.domains.of_organization(found.id)

        outcome = await self._database.read(unit)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def set_provider(self, organization: str, domain: str, provider: str) -> OrganizationDomain:
        """Say how people of the domain come in.

        Raises:
            Refusal: `unknown_provider` or `domain_not_found`.
        """
        self._check_provider(provider)

        async def unit(tx: Transaction) -> OrganizationDomain | Refusal:
            found = await self._find(tx, organization, domain)
            if isinstance(found, Refusal):
                return found
            changed = msgspec.structs.replace(found, provider=provider)
            await tx.domains.put(changed)
            if provider:
                await tx.domains.dedicate(provider)
            await self._record(tx, "organization_domain_changed", changed)
            return changed

        return await decide(self._database, unit)

    async def check(self, organization: str, domain: str) -> OrganizationDomain:
        """Look for the record now.

        Raises:
            Refusal: `domain_not_found`, `domain_not_proved`, or `domain_taken` where another organization proved it.
            Unavailable: `dns_unavailable`.
        """

        async def find(tx: Transaction) -> OrganizationDomain | Refusal:
            return await self._find(tx, organization, domain)

        found = await decide(self._database, find)
        return await look_again(self._database, self._dns, found, actor=self._by.id, where=self._where)

    async def remove(self, organization: str, domain: str) -> None:
        """Give a domain up. Members stay.

        Raises:
            Refusal: `domain_not_found`.
        """

        async def unit(tx: Transaction) -> Refusal | None:
            found = await self._find(tx, organization, domain)
            if isinstance(found, Refusal):
                return found
            await tx.domains.remove(found.organization_id, found.domain)
            await self._record(tx, "organization_domain_removed", found)
            return None

        await decide(self._database, unit)

    async def _find(self, tx: Transaction, organization: str, domain: str) -> OrganizationDomain | Refusal:
        found = await self._by.find(tx, organization)
        if isinstance(found, Refusal):
            return found
        name = normalise_domain(domain)
        of_it = None if isinstance(name, Refusal) else await tx.domains.find(found.id, name)
        return of_it or Refusal("domain_not_found", "The organization has no such domain.")

    def _check_provider(self, provider: str) -> None:
        if provider and provider not in self._providers:
            raise Refusal("unknown_provider", "There is no provider of this name in the settings.")

    async def _record(self, tx: Transaction, kind: EventKind, domain: OrganizationDomain) -> None:
        await _record(tx, kind, domain, actor=self._by.id, where=self._where)


async def check_due(database: Database, dns: DnsRecords) -> None:
    """Look again for the records of proved domains that were not looked at for a day."""

    async def due(tx: Transaction) -> list[OrganizationDomain]:
        return await tx.domains.due(tx.now - CHECK_AGAIN_SECONDS, _AT_ONCE)

    for domain in await database.read(due):
        try:
            await look_again(database, dns, domain, actor=SERVER)
        except Unavailable as error:
            log.warning("a domain could not be checked", domain=domain.domain, reason=error.private)
        except Refusal as error:
            log.warning("a domain is not proved any more", domain=domain.domain, code=error.code)


async def look_again(
    database: Database, dns: DnsRecords, domain: OrganizationDomain, *, actor: str, where: Origin = NOWHERE
) -> OrganizationDomain:
    """Look for the record, and write down what was seen. Raises as `DomainAdministration.check`."""
    is_there = domain.record_value in await dns.texts(domain.record_name)

    async def unit(tx: Transaction) -> OrganizationDomain | Refusal:
        before = await tx.domains.find(domain.organization_id, domain.domain)
        if before is None or before.challenge != domain.challenge:
            return Refusal("domain_not_found", "The organization has no such domain.")
        after = _seen(before, is_there=is_there, now=tx.now)
        if not await tx.domains.put(after):
            return Refusal("domain_taken", "Another organization has proved that this domain is its own.")
        if after.verified_at is not None and before.verified_at is None:
            await _record(tx, "organization_domain_verified", after, actor=actor, where=where)
        if after.verified_at is None and before.verified_at is not None:
            await _record(tx, "organization_domain_lost", after, actor=actor, where=where)
        return (
            after if is_there else Refusal("domain_not_proved", f"There is no TXT record at {domain.record_name} yet.")
        )

    return await decide(database, unit)


def _seen(domain: OrganizationDomain, *, is_there: bool, now: float) -> OrganizationDomain:
    """What is known of a domain after a look. A record that is missing for days proves nothing any more."""
    if is_there:
        verified_at = now if domain.verified_at is None else domain.verified_at
        return msgspec.structs.replace(domain, verified_at=verified_at, checked_at=now, missed_at=None)
    if domain.verified_at is None:
        return msgspec.structs.replace(domain, checked_at=now)
    missed_at = now if domain.missed_at is None else domain.missed_at
    if now - missed_at >= LOST_AFTER_SECONDS:
        return msgspec.structs.replace(domain, verified_at=None, checked_at=now, missed_at=None)
    return msgspec.structs.replace(domain, checked_at=now, missed_at=missed_at)


async def _record(
    tx: Transaction, kind: EventKind, domain: OrganizationDomain, *, actor: str, where: Origin = NOWHERE
) -> None:
    await record(tx, kind, actor=actor, reason=f"{domain.organization_id} {domain.domain}", where=where)
