"""DPoP proofs (RFC 9449), each accepted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
