"""A passkey as it is kept."""

from __future__ import annotations

from typing import Protocol

import msgspec

MAX_NAME_LENGTH = 64
MOST_PER_PERSON = 20


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key of somebody's, and what its authenticator said of it. Times in seconds since 1970.

    `sign_count` goes up with each use where the authenticator counts; one that went back is a copy's (§6.1.1).
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


class Passkeys(Protocol):
    """Where passkeys are kept; a credential belongs to one person."""

    async def add(self, passkey: Passkey) -> bool:
        """Keep a passkey; False when its credential is known already, whoever's it is."""
        ...

    async def by_credential(self, credential_id: bytes) -> Passkey | None:
        """Find by what an authenticator calls it."""
        ...

    async def of(self, user_id: str) -> list[Passkey]:
        """The person's, the oldest first."""
        ...

    async def use(self, passkey_id: str, *, sign_count: int, is_backed_up: bool, now: float) -> bool:
        """Note a use; False when the counter has not gone up, and both sides count. One statement says which."""
        ...

    async def rename(self, passkey_id: str, user_id: str, name: str) -> bool:
        """Name it anew; False when it is not the person's."""
        ...

    async def remove(self, passkey_id: str, user_id: str) -> bool:
        """Forget it; False when it is not the person's."""
        ...

    async def remove_made_since(self, user_id: str, since: float) -> bool:
        """Forget those of the person's that were made then or later; False when there are none."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Forget all of the person's."""
        ...
