"""A stored passkey."""

from __future__ import annotations

from typing import Protocol

import msgspec

MAX_NAME_LENGTH = 64
MOST_PER_PERSON = 20


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A user's public key, and what the authenticator reported. Times in seconds since 1970.

    `sign_count` goes up with each use, if the authenticator counts; a lower value means that the passkey was copied
    (§6.1.1).
    """

    id: str
    user_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    can_be_backed_up: bool
    is_backed_up: bool
    aaguid: str
    transports: tuple[str, ...]
    name: str
    created_at: float
    used_at: float | None = None

    @property
    def amr(self) -> tuple[str, ...]:
        """What its use says of a sign-in (RFC 8176): a hardware key, or one that a provider syncs between devices."""
        return ("swk" if self.can_be_backed_up else "hwk", "user")


class Passkeys(Protocol):
    """The store of passkeys; a credential belongs to one user."""

    async def add(self, passkey: Passkey) -> bool:
        """Add a passkey; False if its credential already exists, for any user."""
        ...

    async def by_credential(self, credential_id: bytes) -> Passkey | None:
        """Find by credential id."""
        ...

    async def of(self, user_id: str) -> list[Passkey]:
        """The user's passkeys, the oldest first."""
        ...

    async def use(self, passkey_id: str, *, sign_count: int, is_backed_up: bool, now: float) -> bool:
        """Record a use; False if the counter has not gone up and both sides count. One statement decides."""
        ...

    async def rename(self, passkey_id: str, user_id: str, name: str) -> bool:
        """Rename it; False if the user has no such passkey."""
        ...

    async def remove(self, passkey_id: str, user_id: str) -> bool:
        """Remove it; False if the user has no such passkey."""
        ...

    async def remove_made_since(self, user_id: str, since: float) -> bool:
        """Remove the user's passkeys that were created then or later; False if there are none."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Remove all of the user's passkeys."""
        ...
