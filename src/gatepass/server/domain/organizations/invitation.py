"""An invitation into an organization, by mail: for one address, with the roles that its owner will have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.manager import still_manages

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction

MOST_INVITATIONS = 1_000
"""How many an organization may have at once."""


class Invitation(Confidential, frozen=True, kw_only=True):
    """An invitation. Times in seconds since 1970; `inviter` as in the log, `digest` that of the mailed token."""

    id: str
    organization_id: str
    email: str
    roles: tuple[str, ...]
    digest: bytes
    inviter: str
    created_at: float
    expires_at: float


class Invitations(Protocol):
    """The store of invitations: one for each organization and address, and those that have expired are gone."""

    async def put(self, invitation: Invitation) -> None:
        """Keep it, in the place of an earlier one to the same address."""
        ...

    async def by_digest(self, digest: bytes, now: float) -> Invitation | None:
        """The invitation of a mailed token."""
        ...

    async def with_role(self, role: str) -> list[Invitation]:
        """Every invitation that would give the role, in any organization."""
        ...

    async def of_organization(self, organization_id: str, now: float) -> list[Invitation]:
        """All of an organization, by address; `MOST_INVITATIONS` of them."""
        ...

    async def take(self, organization_id: str, invitation_id: str) -> Invitation | None:
        """Remove one, and return it: one statement says whether it was there."""
        ...

    async def remove_all(self, organization_id: str) -> None:
        """Remove those of an organization."""
        ...

    async def remove_of_person(self, user_id: str) -> None:
        """Remove those to the address of a person, and those that they sent."""
        ...

    async def forget_before(self, expired_at: float) -> None:
        """Remove those that expired before then."""
        ...


async def check_acceptance(tx: Transaction, invitation: Invitation, user: User) -> Refusal | None:
    """Refuse an invitation to anybody but the owner of its address, and one whose inviter may not invite any more.

    A forwarded mail would otherwise give the roles to anyone, and a former admin's invitations would outlive their own
    rights.
    """
    if user.email != invitation.email:
        return Refusal("invitation_for_another", "This invitation is for another email address.")
    if user.email_verified_at is None:
        return Refusal(
            "address_not_verified", "Verify your email address first: sign in by email, or set a new password."
        )
    if not await still_manages(tx, invitation.organization_id, invitation.inviter):
        return invalid_invitation()
    return None


def invalid_invitation() -> Refusal:
    """The one refusal of an invitation that is not good any more."""
    return Refusal("invalid_invitation", "The invitation is wrong, has expired, or was used or withdrawn.")
