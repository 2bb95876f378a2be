"""The key of a request's sender, proved by DPoP (RFC 9449): a stolen token that is bound to it is useless."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.dpop import PROOF_SECONDS, use_proof
from gatepass.server.web.parsing import header
from gatepass.tokens import dpop_proof
from gatepass.tokens.dpop_proof import InvalidProofError

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.dpop import DPoPNonces
    from gatepass.tokens.dpop_proof import DPoPProof


NEXT_NONCE = "gatepass.dpop_nonce"
"""The key in a request's scope of the nonce that the answer brings."""


class DPoPBinding:
    """Verifies which key the sender of a request has. Each proof is accepted once across all nodes.

    Args:
        database: The store.
        issuer: Our own URL, which every proof is for.
        nonces: What proofs have to repeat; None where they need not.
    """

    def __init__(self, database: Database, *, issuer: str, nonces: DPoPNonces | None = None) -> None:
        self._database = database
        self._nonces = nonces
        parts = urlsplit(issuer)
        self._origin = f"{parts.scheme}://{parts.netloc}"

    async def thumbprint(self, request: Request) -> str | None:
        """The thumbprint (RFC 7638) of the key that the sender has proved; None if there is no proof.

        The proof is marked as used, which writes a row. So call this only after a client or a refresh token of ours was
        authenticated.

        Raises:
            Refusal: `invalid_dpop_proof`, also for a proof that was used before.
        """
        proof = await self.proof(request)
        if proof is None:
            return None
        await self.use(proof)
        return proof.thumbprint

    async def proof(self, request: Request, *, token: str | None = None) -> DPoPProof | None:
        """The request's proof, if it has a valid one; whether it was already used is not checked yet.

        Args:
            request: The request.
            token: The access token that it carries; None where it asks for one.

        Raises:
            Refusal: `invalid_dpop_proof`, or `use_dpop_nonce` where it lacks the nonce that the answer will bring.
        """
        text = header(request, b"dpop")
        if text is None:
            return None
        now = await self._database.read(_now)
        # The Host header does not affect the URL that the proof must be for.
        url = self._origin + request.scope["path"]
        try:
            proof = dpop_proof.check(text, method=request.method, url=url, token=token, now=now, seconds=PROOF_SECONDS)
        except InvalidProofError as error:
            raise Refusal("invalid_dpop_proof", f"The DPoP proof is not valid: {error}.") from error
        self._check_nonce(request, proof, now)
        return proof

    def _check_nonce(self, request: Request, proof: DPoPProof, now: float) -> None:
        """RFC 9449 §8, §8.2: the answer brings the nonce for the next proof, whether this one is taken or not."""
        if self._nonces is None:
            return
        request.scope[NEXT_NONCE] = self._nonces.current(now)
        if not self._nonces.accepts(proof.nonce, now):
            raise Refusal("use_dpop_nonce", "The DPoP proof has to repeat the nonce of the header DPoP-Nonce.")

    async def use(self, proof: DPoPProof) -> None:
        """Mark a proof as used.

        Raises:
            Refusal: `invalid_dpop_proof`, when it was used before.
        """

        async def unit(tx: Transaction) -> Refusal | None:
            return await use_proof(tx, proof)

        await decide(self._database, unit, is_lone_statement=True)


def unbound() -> Refusal:
    """The refusal of a client whose tokens are always bound to a key, and that shows none (RFC 9449 §5.2)."""
    return Refusal("invalid_dpop_proof", "The tokens of this client are bound to a key: send a DPoP proof.")


async def _now(tx: Transaction) -> float:
    return tx.now
