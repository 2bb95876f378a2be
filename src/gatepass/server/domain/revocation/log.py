"""The log of revocations, in commit order, kept for as long as a token can live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.tokens.access_token import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.tokens.revocation_event import Position

MOST_TOKENS = 50_000
"""How many tokens may be revoked by `jti` at a time: the snapshot holds all of them, 36 bytes each."""

KEPT_SECONDS = MAX_LIFETIME + 300
"""How long a revocation is kept: the longest life of a token, plus clock skew. After that a bit is 0 again."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: a status index, a token by its `jti`, or a key by its `kid`; `expires_at` in seconds since 1970."""

    id: int
    expires_at: float
    status: StatusIndex | None = None
    jti: str | None = None
    kid: str | None = None


class RevocationLog(Protocol):
    """The store of revocations. Ids are given at commit, in commit order."""

    async def revoke_indexes(self, indexes: Sequence[StatusIndex], now: float) -> None:
        """Set bits."""
        ...

    async def revoke_token(self, jti: str, *, client_id: str, expires_at: float) -> None:
        """Revoke one access token of a client by its `jti`, until it expires."""
        ...

    async def count_names(self, now: float) -> dict[str, int]:
        """How many tokens are revoked by `jti`, by client."""
        ...

    async def revoke_key(self, kid: str, now: float) -> None:
        """Revoke a key."""
        ...

    async def is_revoked(self, *, status: StatusIndex | None, jti: str, now: float) -> bool:
        """Whether the place's bit is set, or the token is revoked by name."""
        ...

    async def head(self) -> Position:
        """The current epoch and its last id."""
        ...

    async def after(self, event_id: int, now: float) -> list[Revocation]:
        """The unexpired entries after an id, oldest first."""
        ...

    async def open_epoch(self) -> None:
        """Start a new epoch, because the store has lost entries: every reader reads everything again."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove expired entries."""
        ...
