"""DPoP proofs (RFC 9449), each accepted once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.tokens.dpop_proof import DPoPProof


PROOF_SECONDS = 60
"""The maximum distance of a proof's `iat` from our clock, in either direction."""


async def use_proof(tx: Transaction, proof: DPoPProof) -> Refusal | None:
    """Mark a proof as used; refused if it already was, on any node."""
    name = hashlib.sha256(f"{proof.thumbprint} {proof.jti}".encode()).hexdigest()
    is_first = await tx.used_once.use("dpop_proof", name, expires_at=proof.iat + PROOF_SECONDS + 1)
    return None if is_first else Refusal("invalid_dpop_proof", "The DPoP proof was already used.")
