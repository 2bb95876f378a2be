"""Authentication by our own access tokens.

For the server's own API, the audience must be the issuer's URL, and the token one of the operator's own applications: a
registered client, which may be a third party's, acts for a user at other APIs, and can manage the account here only
with a scope that the operator has granted for that.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import User  # noqa: TC001 - as above
from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.domain.sessions.client import ACCOUNT_SCOPE, FIRST_PARTY
from gatepass.server.domain.sessions.own_tokens import status_of
from gatepass.server.domain.sessions.token_session import session_of_token
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.requests import Request

    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.revocation_check import RevocationCheck
    from gatepass.server.domain.sessions.own_tokens import OwnTokens
    from gatepass.server.web.auth.dpop import DPoPBinding
    from gatepass.tokens.dpop_proof import DPoPProof
    from gatepass.verify import Principal


class BearerAuth:
    """Identifies callers by their tokens."""

    def __init__(
        self,
        own_tokens: OwnTokens,
        dpop: DPoPBinding,
        revocation_check: RevocationCheck,
        *,
        issuer: str,
    ) -> None:
        self._own_tokens = own_tokens
        self._dpop = dpop
        self._revocation_check = revocation_check
        self._audience = (issuer,)

    async def identify(self, request: Request) -> Caller:
        """Return the caller.

        Raises:
            Refusal: as `verify`, or `session_ended` when the sign-in behind the token is over.
        """
        principal = await self.verify(request)
        found = await self._revocation_check.read(principal, partial(_account_of, principal))
        if found is None:
            raise Refusal("session_ended", "The session has ended: sign in again.")
        user, session_id = found
        return Caller(
            user=user,
            session_id=session_id,
            auth_time=float(principal.auth_time or 0),
            acr=principal.acr or "",
            status=status_of(principal),
            client_id=principal.client_id or "",
        )

    async def verify(
        self,
        request: Request,
        check: Callable[[Principal], None] | None = None,
        *,
        in_body: str | None = None,
        audience: tuple[str, ...] | None = None,
    ) -> Principal:
        """Verify the bearer token, or the DPoP-bound token together with its proof (RFC 9449 §7.1).

        Args:
            request: The request.
            check: Raises where a good token is not one for this call; by default, that the account is open to it.
            audience: What the token must be for; by default this server's own calls.
            in_body: The token, where it may be in a form too (RFC 6750 §2.2) and is. A bound one must be in the header.

        Raises:
            Refusal: `missing_token`, `invalid_token`, `invalid_request` for two of them, or as `check`.
        """
        scheme, token = _credentials(request, in_body)
        proof = await self._proof(request, token) if scheme == "dpop" else None
        try:
            principal = self._own_tokens.verify(token, audience or self._audience, proof and proof.thumbprint)
        except JoseError as error:
            raise Refusal("invalid_token", f"The access token is refused: {error.code}.") from error
        (check or _check_may_call)(principal)
        if proof is not None:  # used only after the token was verified, so that only token holders cause a write
            with _as_bad_token():
                await self._dpop.use(proof)
        return principal

    async def _proof(self, request: Request, token: str) -> DPoPProof:
        """The request's DPoP proof."""
        with _as_bad_token():
            proof = await self._dpop.proof(request, token=token)
        if proof is None:
            raise Refusal("invalid_token", "The DPoP scheme requires a proof in the DPoP header.")
        return proof


def _credentials(request: Request, in_body: str | None) -> tuple[str, str]:
    """Scheme and token. Exactly one blank stands between them: whatever else follows the scheme is no token."""
    given = header(request, b"authorization")
    if in_body is not None:
        if given is not None:
            raise Refusal("invalid_request", "Send the access token once, in the header or in the body.")
        return "bearer", in_body
    scheme, _, token = (given or "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop"):
        raise Refusal("missing_token", "The request needs `Authorization: Bearer …`.")
    return scheme.lower(), token


def _check_may_call(principal: Principal) -> None:
    """Refuse a token without a user, or of a client that may not manage accounts here."""
    if principal.session_id is None:
        raise Refusal("invalid_token", "This requires a user's access token; this one belongs to a client.")
    if principal.client_id != FIRST_PARTY and ACCOUNT_SCOPE not in principal.scopes:
        raise Refusal("insufficient_scope", f"A client's token needs the scope {ACCOUNT_SCOPE} here.")


@contextmanager
def _as_bad_token() -> Generator[None]:
    """With a token, a bad proof is an invalid token (RFC 9449 §7.1); without the nonce it has its own 401 (§9)."""
    try:
        yield
    except Refusal as error:
        code = "dpop_nonce_required" if error.code == "use_dpop_nonce" else "invalid_token"
        raise Refusal(code, error.detail) from error


async def _account_of(principal: Principal, tx: Transaction) -> tuple[User, str] | None:
    sign_in = await session_of_token(tx, principal)
    if sign_in is None:
        return None
    user = await tx.users.signed_in(sign_in.session_id, sign_in.user_id, tx.now)
    return None if user is None else (user, sign_in.session_id)
