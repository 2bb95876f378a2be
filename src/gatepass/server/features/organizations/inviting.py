"""The acts of those who manage an organization: inviting by mail, and withdrawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.notices import INVITATION_SECONDS
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.organizations.invitation import (
    MOST_INVITATIONS,
    Invitation,
)
from gatepass.server.domain.organizations.organization import check_member_roles, check_organization_roles
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.accounts.role_table import RoleTable
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.organizations.manager import Manager
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Database, Transaction


class Needs(Protocol):
    """What inviting uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def roles(self) -> RoleTable: ...
    @property
    def mail_throttle(self) -> Throttle: ...


async def invite(  # noqa: PLR0913 - who invites whom, into what, and as what
    needs: Needs,
    organization: str,
    address: str,
    roles: Collection[str],
    *,
    by: Manager,
    language: str,
    where: Origin,
) -> Invitation:
    """Mail a link, which works for 7 days; a later invitation to the same address takes the place of the earlier.

    Raises:
        Refusal: `mail_not_configured`, `invalid_body` for a language without texts, `invalid_email`, `invalid_role`,
            `unknown_role`, `already_a_member`, `too_many_invitations`, `too_many_attempts`, or as `Manager.find`.
    """
    needs.notices.require()
    needs.notices.check_language(language)
    email = normalise_email(address)
    check_member_roles(roles)
    await needs.roles.look(needs.database)
    if refused := check_organization_roles(roles, needs.roles):
        raise refused
    attempt = needs.mail_throttle.attempt("invitation", email, where)
    link = needs.notices.mail_link("organization")

    async def unit(tx: Transaction) -> Invitation | Refusal:
        found = await by.find(tx, organization)
        if isinstance(found, Refusal):
            return found
        if refused := await _check_new(tx, found, email):
            return refused
        if not by.is_operator and (wait := await needs.mail_throttle.wait(tx, attempt)):
            return too_many_attempts(wait)
        await needs.mail_throttle.failed(tx, attempt)
        invitation = Invitation(
            id=new_id("inv"),
            organization_id=found.id,
            email=email,
            roles=tuple(sorted(set(roles))),
            digest=link.digest,
            inviter=by.id,
            created_at=tx.now,
            expires_at=tx.now + INVITATION_SECONDS,
        )
        await tx.invitations.put(invitation)
        values = {"organization": found.name}
        notice = Notice(
            kind="organization_invitation",
            to=email,
            language=language,
            link=link.url,
            seconds=INVITATION_SECONDS,
            values=values,
        )
        await needs.notices.send(tx, notice)
        await record(tx, "member_invited", actor=by.id, reason=found.id, where=where)
        return invitation

    return await decide(needs.database, unit)


async def _check_new(tx: Transaction, organization: Organization, email: str) -> Refusal | None:
    user = await tx.users.by_email(email)
    if user is not None and await tx.members.find(organization.id, user.id) is not None:
        return Refusal("already_a_member", "This person is a member of the organization already.")
    waiting = await tx.invitations.of_organization(organization.id, tx.now)
    if len(waiting) >= MOST_INVITATIONS and all(each.email != email for each in waiting):
        return Refusal("too_many_invitations", f"An organization has at most {MOST_INVITATIONS} invitations at once.")
    return None


async def invitations(database: Database, organization: str, *, by: Manager) -> list[Invitation]:
    """Those that wait, by address. Raises as `Manager.find`."""

    async def unit(tx: Transaction) -> list[Invitation] | Refusal:
        found = await by.find(tx, organization)
        return found if isinstance(found, Refusal) else await tx.invitations.of_organization(found.id, tx.now)

    outcome = await database.read(unit)
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


async def withdraw(database: Database, organization: str, invitation_id: str, *, by: Manager, where: Origin) -> None:
    """Withdraw an invitation: its link works no longer.

    Raises:
        Refusal: `invitation_not_found`, or as `Manager.find`.
    """

    async def unit(tx: Transaction) -> Refusal | None:
        found = await by.find(tx, organization)
        if isinstance(found, Refusal):
            return found
        if not invitation_id.isprintable() or await tx.invitations.take(found.id, invitation_id) is None:
            return Refusal("invitation_not_found", "The organization has no such invitation.")
        await record(tx, "organization_invitation_withdrawn", actor=by.id, reason=found.id, where=where)
        return None

    await decide(database, unit)
