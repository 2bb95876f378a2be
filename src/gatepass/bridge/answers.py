"""The answers to notices, as the specification of each kind writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from gatepass.jose.errors import (
    AlgNotAllowedError,
    BadSignatureError,
    InvalidKeyError,
    UnknownKeyError,
    WrongAudienceError,
    WrongIssuerError,
)

if TYPE_CHECKING:
    from gatepass.jose.errors import JoseError

NO_STORE = {"Cache-Control": "no-store"}

_RETRY_SECONDS = "5"


def set_error(error: JoseError) -> dict[str, str]:
    """RFC 8935 §2.4: why a security event token is refused."""
    match error:
        case UnknownKeyError() | BadSignatureError() | AlgNotAllowedError() | InvalidKeyError():
            err = "invalid_key"
        case WrongIssuerError(claim="sub_id"):
            err = "access_denied"
        case WrongIssuerError():
            err = "invalid_issuer"
        case WrongAudienceError():
            err = "invalid_audience"
        case _:
            err = "invalid_request"
    return {"err": err, "description": f"{error.code}: {error}"}


def refused(kind: str, error: JoseError) -> Response:
    """400, with the reason: OpenID Connect Back-Channel Logout §2.8, RFC 8935 §2.3."""
    return bad(kind, set_error(error)["err"], f"{error.code}: {error}")


def bad(kind: str, err: str, description: str, *, status: int = 400) -> Response:
    """An error of a kind of notice."""
    if kind == "ssf-push":
        return JSONResponse({"err": err, "description": description}, status, NO_STORE)
    return JSONResponse({"error": "invalid_request", "error_description": description}, status, NO_STORE)


def unauthorized(kind: str = "") -> Response:
    """401: the bearer token is missing or wrong (RFC 6750 §3)."""
    answer = bad(kind, "authentication_failed", "the bearer token is missing or wrong", status=401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def later(kind: str) -> Response:
    """503: send it again."""
    answer = bad(kind, "invalid_request", "the notice cannot be taken now: send it again", status=503)
    answer.headers["Retry-After"] = _RETRY_SECONDS
    return answer


def taken(kind: str) -> Response:
    """200 for a logout, 202 for an event (RFC 8935 §2.2), 204 for a revocation."""
    status = {"backchannel-logout": 200, "ssf-push": 202, "global-revocation": 204}[kind]
    return Response(None, status, NO_STORE)
