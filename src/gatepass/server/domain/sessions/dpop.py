"""DPoP proofs (RFC 9449), each accepted once, and the nonces that they may have to repeat."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from gatepass.jose import base64url
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.used_once import use_name

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.tokens.dpop_proof import DPoPProof


PROOF_SECONDS = 60
"""The maximum distance of a proof's `iat` from our clock, in either direction."""


async def use_proof(tx: Transaction, proof: DPoPProof) -> Refusal | None:
    """Mark a proof as used; refused if it already was, on any node."""
    expires_at = proof.iat + PROOF_SECONDS + 1
    is_first = await use_name(tx, "dpop_proof", proof.thumbprint, proof.jti, expires_at=expires_at)
    return None if is_first else Refusal("invalid_dpop_proof", "The DPoP proof was already used.")


NONCE_SECONDS = 120
"""How long a nonce is given out; it is taken for as long again."""
_NONCE_BYTES = 16


class DPoPNonces:
    """Nonces that every node makes alike and nobody stores: a MAC of the time, by a key of the server's own.

    Args:
        key: What no client can know.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def current(self, now: float) -> str:
        """The nonce of this moment."""
        return self._of(int(now // NONCE_SECONDS))

    def accepts(self, nonce: str | None, now: float) -> bool:
        """Whether it is this moment's, or the one before it."""
        window = int(now // NONCE_SECONDS)
        presented = (nonce or "").encode("utf-8", "surrogatepass")
        return any(hmac.compare_digest(presented, self._of(each).encode()) for each in (window, window - 1))

    def _of(self, window: int) -> str:
        return base64url.encode(hmac.digest(self._key, str(window).encode(), "sha256")[:_NONCE_BYTES])
