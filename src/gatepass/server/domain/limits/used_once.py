"""Single-use tokens: the second use of the same token is refused, on every node."""

from __future__ import annotations

from typing import Literal, Protocol

Purpose = Literal[
    "client_assertion",
    "dpop_proof",
    "id_token",
    "interaction",
    "passkey_challenge",
    "provider_state",
    "readiness",
    "second_factor",
]


class UsedOnce(Protocol):
    """The store of ids of used tokens, until they expire."""

    async def use(self, purpose: Purpose, token_id: str, *, expires_at: float) -> bool:
        """Mark a token as used; False if it already was. One statement decides."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove expired ids."""
        ...
