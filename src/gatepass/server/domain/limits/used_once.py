"""Tokens that are for once only: the second use of the same one is refused, at whichever node it comes."""

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
    """Where the names of used tokens are kept until they expire."""

    async def use(self, purpose: Purpose, token_id: str, *, expires_at: float) -> bool:
        """Use a token up; False when it was used before. One statement says which."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Drop what has expired by itself."""
        ...
