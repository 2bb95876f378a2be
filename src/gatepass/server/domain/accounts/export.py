"""All that is kept of a user, for the user or for an operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.linked_identity import Identity  # noqa: TC001 - as below
from gatepass.server.domain.accounts.profile import UserProfile  # noqa: TC001 - as below
from gatepass.server.domain.accounts.user import User  # noqa: TC001 - as below
from gatepass.server.domain.events.event import Event  # noqa: TC001 - msgspec reads the annotations of an answer
from gatepass.server.domain.sessions.consent import Consent  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.session import Session  # noqa: TC001 - as above

if TYPE_CHECKING:
    from gatepass.server.domain.organizations.member import Membership
    from gatepass.server.domain.ports import Transaction


class ExportedMembership(Confidential, frozen=True, kw_only=True):
    """An organization of the user. What operators have written of it is not about them."""

    id: str
    slug: str
    name: str
    roles: tuple[str, ...]
    joined_at: float


class Exported(Confidential, frozen=True, kw_only=True):
    """All data about a user; times in seconds since 1970."""

    account: User
    profile: UserProfile
    sessions: list[Session]
    identities: list[Identity]
    consents: list[Consent]
    organizations: list[ExportedMembership]
    events: list[Event]


async def collect(tx: Transaction, user: User) -> Exported:
    """Read it all."""
    return Exported(
        account=user,
        profile=await tx.profiles.of(user.id),
        sessions=await tx.sessions.all_of(user.id),
        identities=await tx.identities.of(user.id),
        consents=await tx.consents.all_of(user.id),
        organizations=[_exported(each) for each in await tx.members.of_user(user.id)],
        events=await _all_events(tx, user.id),
    )


def _exported(membership: Membership) -> ExportedMembership:
    found = membership.organization
    return ExportedMembership(
        id=found.id, slug=found.slug, name=found.name, roles=membership.roles, joined_at=membership.joined_at
    )


async def _all_events(tx: Transaction, user_id: str) -> list[Event]:
    events: list[Event] = []
    last = ""
    while page := await tx.events.after(last, user_id=user_id):
        events += [event.for_its_user() for event in page]
        last = page[-1].id
    return events
