"""The errors of the SDK itself. A token that is not valid is refused with the errors of `gatepass.jose`.

All of them are `JoseError`s, so one `except JoseError` catches every refusal, and each has a stable `code`.
`challenge.py` turns them into answers.
"""

from __future__ import annotations

from typing import ClassVar

from gatepass.jose.errors import JoseError
from gatepass.tokens.dpop_proof import InvalidProofError


class MissingTokenError(JoseError):
    """The request carries no bearer token (RFC 6750 §3.1: answer without an error code)."""

    code: ClassVar[str] = "missing_token"


class InvalidRequestError(JoseError):
    """The request carries its token in a way that RFC 6750 §2.1 does not allow, for instance twice."""

    code: ClassVar[str] = "invalid_request"


class InsufficientScopeError(JoseError):
    """The token is good and lacks a scope, a role or a permission (RFC 6750 §3.1).

    Attributes:
        scope: Every scope that is needed, separated by spaces, or None.
    """

    code: ClassVar[str] = "insufficient_scope"

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"scope": self.scope})


class InsufficientAuthenticationError(JoseError):
    """The user must sign in again, or with a stronger method (RFC 9470 §3).

    Attributes:
        acr_values: The authentication contexts of which one is needed, separated by spaces, or None.
        max_age: Seconds since the last proof that are allowed, or None.
    """

    code: ClassVar[str] = "insufficient_user_authentication"

    def __init__(self, message: str, *, acr_values: str | None = None, max_age: int | None = None) -> None:
        super().__init__(message)
        self.acr_values = acr_values
        self.max_age = max_age

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"acr_values": self.acr_values, "max_age": self.max_age})


REQUIREMENTS_UNMET = (InsufficientScopeError, InsufficientAuthenticationError)
"""What `Principal.require` raises when a valid token is not enough here."""


class IssuerUnavailableError(JoseError):
    """The issuer's keys cannot be fetched, so the token cannot be verified.

    Attributes:
        retry_after: Seconds until the next attempt.
    """

    code: ClassVar[str] = "issuer_unavailable"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"retry_after": self.retry_after})


class CrossSiteRequestError(JoseError):
    """The token came in a cookie, without proof that one of our own pages sent it."""

    code: ClassVar[str] = "cross_site_request"


class InactiveTokenError(JoseError):
    """The issuer says that the token is not active (RFC 7662 §2.2); it does not say why."""

    code: ClassVar[str] = "inactive"


class RevokedError(JoseError):
    """The token has been revoked: it, the session or grant that it belongs to, or the key that signed it."""

    code: ClassVar[str] = "revoked"


class RevocationStaleError(IssuerUnavailableError):
    """With `stale="refuse"`: the known revocations are too old to accept the token."""

    code: ClassVar[str] = "revocation_stale"


class ReplaysUnavailableError(IssuerUnavailableError):
    """It is unknown whether the DPoP proof was already used: the store of proofs is unavailable or full."""

    code: ClassVar[str] = "replays_unavailable"


class UseNonceError(InvalidProofError):
    """The DPoP proof must repeat a nonce of ours (RFC 9449 §9).

    Attributes:
        nonce: The one to repeat.
    """

    code: ClassVar[str] = "use_dpop_nonce"

    def __init__(self, message: str, *, nonce: str) -> None:
        super().__init__(message)
        self.nonce = nonce

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), str(self), {"nonce": self.nonce})


def _rebuild(kind: type[JoseError], message: str, attributes: dict[str, object]) -> JoseError:
    return kind(message, **attributes)
