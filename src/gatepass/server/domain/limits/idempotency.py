"""Repeating a request that may have been answered: the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key).

A key belongs to who sent it, where to and with what. A repeat gets the first answer, without what is shown only once.
What became of a request whose process died in the middle, or lost the store, is not known, and is not reported as
anything else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

KEPT_SECONDS = 86_400.0
"""How long a repeat is recognised."""
LONGEST_KEY = 255


class Repeatable(msgspec.Struct, frozen=True, kw_only=True):
    """A request that has a key: `id` is the digest of actor, call and key, and `body` that of what was asked."""

    id: bytes
    body: bytes


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """The first request of the same key. `status` is 0 while it is at work, and stays 0 if its end is not known."""

    body: bytes
    status: int
    sealed: bytes


class IdempotentRequests(Protocol):
    """The store of requests with a key, until they are forgotten."""

    async def begin(self, repeatable: Repeatable, *, now: float, expires_at: float) -> Earlier | None:
        """Note the request; None if it is the first of its key. One statement decides."""
        ...

    async def finish(self, request_id: bytes, *, status: int, sealed: bytes) -> None:
        """Keep the answer."""
        ...

    async def forget(self, request_id: bytes) -> None:
        """Forget a request that changed nothing, so that it can be tried again."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove old ones."""
        ...


def repeatable(*, actor: str, call: str, key: str, body: bytes) -> Repeatable:
    """What identifies a request. `call` is the method and the path.

    Raises:
        Refusal: `invalid_idempotency_key`.
    """
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refusal("invalid_idempotency_key", f"The key is 1 to {LONGEST_KEY} visible ASCII characters.")
    name = f"{actor}\n{call}\n{key}"
    return Repeatable(id=hashlib.sha256(name.encode()).digest(), body=hashlib.sha256(body).digest())


async def begin(tx: Transaction, request: Repeatable) -> Earlier | Refusal | None:
    """Note the request, or say what became of it before."""
    earlier = await tx.idempotent_requests.begin(request, now=tx.now, expires_at=tx.now + KEPT_SECONDS)
    if earlier is None:
        return None
    if earlier.body != request.body:
        return Refusal("idempotency_key_reused", "This key was sent with another body: use a new one for each request.")
    if earlier.status == 0:
        return Refusal(
            "idempotent_request_running",
            "The first request with this key has not been answered. Look at what it changes before you try again with"
            " another key.",
        )
    return earlier
