"""Turning an error into a response: status and `WWW-Authenticate` (RFC 6750 §3, RFC 9470 §3), only here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gatepass.jose.errors import InvalidKeyError, InvalidPolicyError
from gatepass.tokens.access_token import UnprovenCnfError
from gatepass.tokens.dpop_proof import ALGORITHMS, InvalidProofError

from .errors import (
    CrossSiteRequestError,
    InsufficientAuthenticationError,
    InsufficientScopeError,
    InvalidRequestError,
    IssuerUnavailableError,
    MissingTokenError,
    ReplaysUnavailableError,
    RevocationStaleError,
    UseNonceError,
)

if TYPE_CHECKING:
    from gatepass.jose import JoseError


class Challenge(NamedTuple):
    """The response to a request that was refused.

    Attributes:
        status: The HTTP status code.
        headers: Headers to add.
        detail: A sentence for developers; it reveals nothing about the token.
    """

    status: int
    headers: dict[str, str]
    detail: str


def challenge(
    error: JoseError, *, resource_metadata: str | None = None, dpop: bool = False, dpop_required: bool = False
) -> Challenge:
    """Return the response to an error.

    | refused because | status | `WWW-Authenticate` |
    |---|---|---|
    | no token | 401 | `Bearer` |
    | two tokens, or none after `Bearer` | 400 | `error="invalid_request"` |
    | the token is not valid | 401 | `error="invalid_token"` |
    | the DPoP proof is not valid | 401 | `DPoP`, `error="invalid_dpop_proof"` |
    | the DPoP proof must repeat a nonce | 401 | `DPoP`, `error="use_dpop_nonce"`, and `DPoP-Nonce` |
    | a scope, role or permission is missing | 403 | `error="insufficient_scope"`, and `scope` |
    | a new sign-in is needed | 401 | `error="insufficient_user_authentication"`, `acr_values`, `max_age` |
    | the token came in a cookie, and not from one of our pages | 403 | none |
    | the issuer's keys, or what it has revoked, cannot be fetched | 503 | none; `Retry-After` |

    Args:
        error: What `Verifier.verify`, `Principal.require` or `bearer_token` raised.
        resource_metadata: The URL of the API's metadata document (RFC 9728 §5.1), which each challenge then names.
        dpop: Whether the request used the scheme `DPoP`; the response then uses it too.
        dpop_required: Whether nothing but `DPoP` is accepted.

    Raises:
        JoseError: `error` itself, if it is about our own configuration and not for a client.
    """
    match error:
        case InvalidPolicyError() | InvalidKeyError():
            raise error
        case CrossSiteRequestError():
            return Challenge(403, {}, str(error))
        case IssuerUnavailableError():
            return Challenge(503, {"Retry-After": str(error.retry_after)}, _unavailable(error))
        case InvalidProofError() | UnprovenCnfError():
            return _about_a_proof(error, _Scheme("DPoP", resource_metadata))
        case _:
            return _about_a_token(error, _Scheme("DPoP" if dpop or dpop_required else "Bearer", resource_metadata))


def _about_a_token(error: JoseError, scheme: _Scheme) -> Challenge:
    """RFC 6750 §3.1, RFC 9470 §3."""
    match error:
        case MissingTokenError():
            return scheme.challenge(401, "an access token is needed")
        case InvalidRequestError():
            return scheme.challenge(400, str(error), error="invalid_request")
        case InsufficientScopeError():
            return scheme.challenge(403, str(error), error=error.code, scope=error.scope)
        case InsufficientAuthenticationError():
            return scheme.challenge(
                401, str(error), error=error.code, acr_values=error.acr_values, max_age=error.max_age
            )
        case _:
            return scheme.challenge(401, _refused(error), error="invalid_token")


def _about_a_proof(error: InvalidProofError | UnprovenCnfError, scheme: _Scheme) -> Challenge:
    """RFC 9449 §7.1 and §9."""
    match error:
        case UnprovenCnfError():
            return scheme.challenge(401, _refused(error), error="invalid_token")
        case UseNonceError():
            answer = scheme.challenge(401, str(error), error=error.code)
            return answer._replace(headers=answer.headers | {"DPoP-Nonce": error.nonce})
        case _:
            return scheme.challenge(401, str(error), error=error.code)


def _refused(error: JoseError) -> str:
    return f"the access token was refused: {error.code}"


def _unavailable(error: IssuerUnavailableError) -> str:
    match error:
        case RevocationStaleError():
            missing = "list of revoked access tokens is"
        case ReplaysUnavailableError():
            missing = "list of used proofs is"
        case _:
            missing = "keys to verify access tokens are"
    return f"the {missing} not available"


class _Scheme(NamedTuple):
    """The scheme, RFC 6750 or RFC 9449, and what all our challenges contain."""

    name: str
    resource_metadata: str | None

    def challenge(self, status: int, detail: str, *, error: str | None = None, **more: str | int | None) -> Challenge:
        """RFC 6750 §3: a request without a token gets no error, and so no description of one either."""
        parameters: dict[str, str | int | None] = {}
        if error is not None:
            parameters = {"error": error, "error_description": detail, **more}
        if self.name == "DPoP":
            parameters["algs"] = " ".join(ALGORITHMS)
        parameters["resource_metadata"] = self.resource_metadata
        written = ", ".join(f"{name}={_quoted(str(value))}" for name, value in parameters.items() if value is not None)
        return Challenge(status, {"WWW-Authenticate": f"{self.name} {written}".rstrip()}, detail)


def _quoted(text: str) -> str:
    """RFC 9110 §5.6.4: a quoted string; what could end it or the header is escaped or replaced."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
