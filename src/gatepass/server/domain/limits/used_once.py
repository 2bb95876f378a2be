"""Single-use tokens: the second use of the same token is refused, on every node."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

Purpose = Literal[
    "assertion_grant",
    "client_assertion",
    "dpop_proof",
    "foreign_token",
    "foreign_tokens_ended",
    "id_token",
    "interaction",
    "passkey_challenge",
    "provider_state",
    "readiness",
    "request_object",
    "second_factor",
]


class UsedOnce(Protocol):
    """The store of ids of used tokens, until they expire."""

    async def use(self, purpose: Purpose, token_id: str, *, expires_at: float) -> bool:
        """Mark a token as used; False if it already was. One statement decides."""
        ...

    async def was_used(self, purpose: Purpose, token_id: str) -> bool:
        """Whether a token is marked as used."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove expired ids."""
        ...


async def use_name(tx: Transaction, purpose: Purpose, owner: str, name: str, *, expires_at: float) -> bool:
    """Mark a token as used whose name (`jti`) its owner has chosen; False if it already was.

    It may be any text of any length, and not every database could keep it.
    """
    token_id = hashlib.sha256(f"{owner} {name}".encode("utf-8", "surrogatepass")).hexdigest()
    return await tx.used_once.use(purpose, token_id, expires_at=expires_at)
