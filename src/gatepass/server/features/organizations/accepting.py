"""The acts of those who are invited: looking at an invitation, creating an account for it, joining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks import gates
from gatepass.server.domain.organizations.changes import OrganizationChanges
from gatepass.server.domain.organizations.invitation import (
    check_acceptance,
    invalid_invitation,
)
from gatepass.server.domain.organizations.manager import still_manages
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.accounts.signup_rules import SignupRules
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.organizations.invitation import (
        Invitation,
    )
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys


class Needs(Protocol):
    """What accepting uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def list_keys(self) -> ListKeys: ...
    @property
    def rules(self) -> SignupRules: ...
    @property
    def registration(self) -> Registration: ...


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """What the holder of a mailed token is shown; `has_account`: there is one with the address."""

    invitation: Invitation
    organization: Organization
    has_account: bool


async def look_at(database: Database, token: str) -> OpenInvitation | None:
    """The invitation of a mailed token; None if it is no longer good."""

    async def unit(tx: Transaction) -> OpenInvitation | None:
        invitation = await tx.invitations.by_digest(digest_of(token), tx.now)
        if invitation is None or not await still_manages(tx, invitation.organization_id, invitation.inviter):
            return None
        organization = await tx.organizations.find(invitation.organization_id)
        if organization is None:
            return None
        has_account = await tx.users.by_email(invitation.email) is not None
        return OpenInvitation(invitation=invitation, organization=organization, has_account=has_account)

    return await database.read(unit)


async def accept(needs: Needs, user: User, token: str, where: Origin) -> Organization:
    """Join by an invitation, once.

    Raises:
        Refusal: `invalid_invitation`, or as `check_acceptance`: then the invitation is as good as before.
    """
    digest = digest_of(token)

    async def unit(tx: Transaction) -> Organization | Refusal:
        invitation = await tx.invitations.by_digest(digest, tx.now)
        now = await tx.users.by_id(user.id)
        if invitation is None or now is None:
            return invalid_invitation()
        if refused := await check_acceptance(tx, invitation, now):
            return refused
        organization = await tx.organizations.find(invitation.organization_id)
        if organization is None or await tx.invitations.take(organization.id, invitation.id) is None:
            return invalid_invitation()
        changes = OrganizationChanges(now.id, where, needs.list_keys)
        refused = await changes.add_member(tx, organization, now.id, invitation.roles)
        return organization if refused is None else refused

    return await decide(needs.database, unit)


async def create_account(needs: Needs, token: str, password: str, where: Origin) -> User:
    """Create the account of an invited address, also where sign-up is closed; who has the mail owns the address.

    Raises:
        Refusal: `invalid_invitation`, `email_taken`, `email_domain_not_allowed`, `signup_denied`, or as
            `Registration.hash`.
    """
    found = await look_at(needs.database, token)
    if found is None:
        raise invalid_invitation()
    email = found.invitation.email
    needs.rules.check_domain(email)
    await needs.rules.ask(email, where)
    password_hash = await needs.registration.hash(password, email=email)

    async def unit(tx: Transaction) -> User | Refusal:
        invitation = await tx.invitations.by_digest(digest_of(token), tx.now)
        if invitation is None or not await still_manages(tx, invitation.organization_id, invitation.inviter):
            return invalid_invitation()
        user = User(
            id=new_id("usr"), email=email, created_at=tx.now, email_verified_at=tx.now, address_proved_at=tx.now
        )
        if refused := await gates.create_account(tx, user, method="invitation", reason="invited", where=where):
            return refused
        await tx.passwords.put(user.id, password_hash, tx.now)
        await record(tx, "email_verified", user.id, where=where)
        return user

    return await decide(needs.database, unit)
