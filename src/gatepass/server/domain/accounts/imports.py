"""A user who is imported from another system, checked."""

from __future__ import annotations

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.linked_identity import Claimed  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.accounts.profile import UserProfile


class ImportedUser(Confidential, frozen=True, kw_only=True):
    """A user to import. `password_hash` is in our stored format, `created_at` in seconds since 1970.

    `notes` says what of the user does not come along.
    """

    id: str | None
    email: str
    password_hash: str | None
    email_verified: bool
    disabled: bool
    roles: tuple[str, ...]
    created_at: int | None
    profile: UserProfile = UserProfile()
    identities: tuple[Claimed, ...] = ()
    notes: tuple[str, ...] = ()
