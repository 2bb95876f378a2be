"""The log of revocations: what happened since when, in commit order, for as long as a token can live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.tokens.access_token import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.tokens.revocation_event import Position

MOST_TOKENS = 50_000
"""Tokens that may be revoked by name at a time: the snapshot holds all of them, 36 bytes each, and readers bound it."""

KEPT_SECONDS = MAX_LIFETIME + 300
"""How long a revocation counts: the longest life of a token, and time for clocks that differ. A bit is 0 again then."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: a bit, a token by its `jti`, or a key by its `kid`; `expires_at` in seconds since 1970."""

    id: int
    expires_at: float
    status: StatusIndex | None = None
    jti: str | None = None
    kid: str | None = None


class RevocationLog(Protocol):
    """Where revocations are kept. An id is given when the transaction commits: no later one is ever lower."""

    async def revoke_indexes(self, indexes: Sequence[StatusIndex], now: float) -> None:
        """Set bits."""
        ...

    async def revoke_token(self, jti: str, *, client_id: str, expires_at: float) -> None:
        """Revoke one access token of a client's by its name, until it ends by itself."""
        ...

    async def count_names(self, now: float) -> dict[str, int]:
        """How many tokens are revoked by name, by whose they are."""
        ...

    async def revoke_key(self, kid: str, now: float) -> None:
        """Say that a key is no longer to be trusted."""
        ...

    async def is_revoked(self, *, status: StatusIndex | None, jti: str, now: float) -> bool:
        """Whether the place's bit is set, or the token is revoked by name."""
        ...

    async def head(self) -> Position:
        """The epoch, and the last id in it."""
        ...

    async def after(self, event_id: int, now: float) -> list[Revocation]:
        """What came after an id and still counts, oldest first."""
        ...

    async def open_epoch(self) -> None:
        """Begin another line of events, because the store has lost some: every reader takes everything anew."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Drop what no longer counts."""
        ...
