"""Every error of `gatepass.jose`: one class for each reason, each with a stable `code`.

Catch `JoseError` for all of them. The text of an error is written for the person who reads a log: it never holds a
token, a claim's value or key material.
"""

from __future__ import annotations

from typing import ClassVar


class JoseError(Exception):
    """The base of every error that `gatepass.jose` raises.

    Attributes:
        code: A stable, lower-case name of the reason. Compare with this, not with the text.
    """

    code: ClassVar[str] = "jose_error"


# ── the token cannot be read ────────────────────────────────────────────────────────────────────────────────────────


class MalformedError(JoseError):
    """Not a token of this kind: wrong parts, base64url, UTF-8, JSON, a duplicate name or a header of a wrong type."""

    code: ClassVar[str] = "malformed"


class TokenTooLongError(JoseError):
    """The token, its header or its inflated content is longer than `Limits` allows."""

    code: ClassVar[str] = "token_too_long"


class UnsupportedCritError(JoseError):
    """`crit` names an extension that this call does not understand (RFC 7515 §4.1.11)."""

    code: ClassVar[str] = "unsupported_crit"


# ── the token and the keys do not fit ───────────────────────────────────────────────────────────────────────────────


class UnknownKeyError(JoseError):
    """No key has the token's `kid`, or there is no `kid` and more than one key fits."""

    code: ClassVar[str] = "unknown_key"


class AlgNotAllowedError(JoseError):
    """The token's `alg` or `enc` is not the one that the key is bound to, is unknown, or is `none`."""

    code: ClassVar[str] = "alg_not_allowed"


class BadSignatureError(JoseError):
    """The signature or MAC does not belong to this content and this key."""

    code: ClassVar[str] = "bad_signature"


class DecryptionFailedError(JoseError):
    """The token cannot be decrypted with these keys. It never says why: an attacker would learn from it."""

    code: ClassVar[str] = "decryption_failed"

    def __init__(self, message: str = "the token cannot be decrypted") -> None:
        super().__init__(message)


# ── the claims do not satisfy the caller's policy ───────────────────────────────────────────────────────────────────


class WrongTypError(JoseError):
    """`typ` is absent or names another kind of token (RFC 8725bis §3.11)."""

    code: ClassVar[str] = "wrong_typ"


class ClaimError(JoseError):
    """The base of errors about one claim.

    Attributes:
        claim: The claim's name.
    """

    code: ClassVar[str] = "bad_claim"

    def __init__(self, message: str, *, claim: str) -> None:
        super().__init__(message)
        self.claim = claim

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_claim_error, (type(self), str(self), self.claim)


def _rebuild_claim_error(kind: type[ClaimError], message: str, claim: str) -> ClaimError:
    return kind(message, claim=claim)


class BadClaimError(ClaimError):
    """A claim has a type or a value that its definition does not allow."""

    code: ClassVar[str] = "bad_claim"


class MissingClaimError(ClaimError):
    """A claim that the policy requires is absent."""

    code: ClassVar[str] = "missing_claim"


class ExpiredError(ClaimError):
    """`exp` is now or in the past (RFC 7519 §4.1.4)."""

    code: ClassVar[str] = "expired"


class NotYetValidError(ClaimError):
    """`nbf` is in the future (RFC 7519 §4.1.5)."""

    code: ClassVar[str] = "not_yet_valid"


class IssuedInFutureError(ClaimError):
    """`iat` is further ahead than clocks may differ. `jwt.verify` does not ask; a checker of a kind of token may."""

    code: ClassVar[str] = "issued_in_future"


class WrongIssuerError(ClaimError):
    """`iss` is not exactly the expected issuer."""

    code: ClassVar[str] = "wrong_issuer"


class WrongAudienceError(ClaimError):
    """`aud` does not name the expected audience."""

    code: ClassVar[str] = "wrong_audience"


# ── the caller's own material ───────────────────────────────────────────────────────────────────────────────────────


class InvalidKeyError(JoseError):
    """The key cannot be read, contradicts itself, or cannot do what is asked of it."""

    code: ClassVar[str] = "invalid_key"


class WeakKeyError(InvalidKeyError):
    """The key is well-formed and must not be used: too short, or broken."""

    code: ClassVar[str] = "weak_key"


class InvalidPolicyError(JoseError):
    """An argument of the caller makes no sense: no token could satisfy it, or it has the wrong type."""

    code: ClassVar[str] = "invalid_policy"
