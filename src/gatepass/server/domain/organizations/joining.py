"""Joining an organization by the domain of one's address, and signing in with the provider that it wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.organizations.domain import domain_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.organizations.domain import OrganizationDomain
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Transaction


async def add_member(  # noqa: PLR0913 - who becomes what, where, and by whom
    tx: Transaction,
    organization_id: str,
    user_id: str,
    roles: Collection[str] = (),
    *,
    actor: str,
    where: Origin,
) -> Refusal | None:
    """Make a person a member; refused as `already_a_member`."""
    if not await tx.members.add(organization_id, user_id, sorted(set(roles)), tx.now):
        return Refusal("already_a_member", "This person is a member of the organization already.")
    await record(tx, "member_added", user_id, actor=actor, reason=organization_id, where=where)
    return None


async def joinable(tx: Transaction, user: User) -> Organization | None:
    """The organization that the person may join by themselves: that of exactly the domain of their address.

    They have to have read mail there, since others could vouch for an address that is not theirs. Where the domain has
    a provider, an account of theirs there has to be connected too: it may be at another address.
    """
    found = await tx.domains.verified(domain_of(user.email))
    if found is None or not found.is_current(tx.now):
        return None
    if await tx.members.find(found.organization_id, user.id) is not None:
        return None
    may_join = user.address_proved_at is not None and (not found.provider or await _is_connected(tx, user, found))
    return await tx.organizations.find(found.organization_id) if may_join else None


async def check_way_in(tx: Transaction, user: User, provider: str) -> Refusal | None:
    """Refuse a member whose organization wants them to sign in with its provider, and who comes another way.

    `provider` is the one they come from; empty for a way of our own. Members who have not connected an account there
    yet may sign in, to do that, but get no tokens for the organization. Operators keep every way in.
    """
    found = await tx.domains.verified(domain_of(user.email))
    if found is None or found.provider in ("", provider) or user.is_operator:
        return None
    if await tx.members.find(found.organization_id, user.id) is None or not await _is_connected(tx, user, found):
        return None
    return provider_required(found.provider)


async def check_connected(tx: Transaction, user: User, organization_id: str) -> Refusal | None:
    """Refuse tokens for an organization to a member of its domain who has no account at its provider."""
    found = await tx.domains.verified(domain_of(user.email))
    if found is None or not found.provider or found.organization_id != organization_id:
        return None
    return None if await _is_connected(tx, user, found) else provider_required(found.provider)


async def _is_connected(tx: Transaction, user: User, domain: OrganizationDomain) -> bool:
    return any(identity.provider == domain.provider for identity in await tx.identities.of(user.id))


def provider_required(provider: str) -> Refusal:
    """The refusal of another way in."""
    return Refusal("provider_required", f"Your organization wants you to sign in with {provider}.")
