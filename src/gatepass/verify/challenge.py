"""From an exception to an answer: status and `WWW-Authenticate` (RFC 6750 §3, RFC 9470 §3). Nobody else knows these."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gatepass.jose.errors import InvalidKeyError, InvalidPolicyError

from .errors import (
    InsufficientAuthenticationError,
    InsufficientScopeError,
    InvalidRequestError,
    IssuerUnavailableError,
    MissingTokenError,
    RevocationStaleError,
)

if TYPE_CHECKING:
    from gatepass.jose import JoseError


class Challenge(NamedTuple):
    """How to answer a request that was refused.

    Attributes:
        status: The HTTP status code.
        headers: Headers to add.
        detail: A sentence for the person who reads the answer; it holds nothing of the token.
    """

    status: int
    headers: dict[str, str]
    detail: str


def challenge(error: JoseError) -> Challenge:
    """Say how to answer.

    | refused because | status | `WWW-Authenticate` |
    |---|---|---|
    | no token | 401 | `Bearer` |
    | two tokens, or none after `Bearer` | 400 | `error="invalid_request"` |
    | the token is not good | 401 | `error="invalid_token"` |
    | a scope or role is missing | 403 | `error="insufficient_scope"`, and `scope` |
    | a new sign-in is needed | 401 | `error="insufficient_user_authentication"`, `acr_values`, `max_age` |
    | the issuer's keys, or what it has revoked, cannot be fetched | 503 | none; `Retry-After` |

    Args:
        error: What `Verifier.verify`, `Principal.require` or `bearer_token` raised.

    Raises:
        JoseError: `error` itself, where it is about our own configuration and no answer to a client.
    """
    match error:
        case MissingTokenError():
            return _bearer(401, "an access token is needed")
        case InvalidRequestError():
            return _bearer(400, str(error), error="invalid_request")
        case InsufficientScopeError():
            return _bearer(403, str(error), error=error.code, scope=error.scope)
        case InsufficientAuthenticationError():
            return _bearer(401, str(error), error=error.code, acr_values=error.acr_values, max_age=error.max_age)
        case IssuerUnavailableError():
            headers = {"Retry-After": str(error.retry_after)}
            missing = "list of revoked" if isinstance(error, RevocationStaleError) else "keys to verify"
            return Challenge(503, headers, f"the {missing} access tokens are not available")
        case InvalidPolicyError() | InvalidKeyError():
            raise error
        case _:
            return _bearer(401, f"the access token was refused: {error.code}", error="invalid_token")


def _bearer(status: int, detail: str, *, error: str | None = None, **attributes: str | int | None) -> Challenge:
    """RFC 6750 §3: a request without a token gets no error, and so no description of one either."""
    parameters = {"error": error, "error_description": detail, **attributes} if error else {}
    written = ", ".join(f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value is not None)
    return Challenge(status, {"WWW-Authenticate": f"Bearer {written}".rstrip()}, detail)


def _quoted(text: str) -> str:
    """RFC 9110 §5.6.4: a quoted string; what could end it or the header is escaped or replaced."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
