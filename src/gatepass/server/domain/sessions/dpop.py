"""DPoP proofs (RFC 9449), each of which is good once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.tokens.dpop_proof import DPoPProof


PROOF_SECONDS = 60
"""How far a proof's `iat` may be from our clock, in either direction."""


async def use_proof(tx: Transaction, proof: DPoPProof) -> Refusal | None:
    """Use a proof up; refused when it was used before, at any node."""
    name = hashlib.sha256(f"{proof.thumbprint} {proof.jti}".encode()).hexdigest()
    is_first = await tx.used_once.use("dpop_proof", name, expires_at=proof.iat + PROOF_SECONDS + 1)
    return None if is_first else Refusal("invalid_dpop_proof", "The DPoP proof was used before.")
