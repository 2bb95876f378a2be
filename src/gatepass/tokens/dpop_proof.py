"""DPoP proofs (RFC 9449): the sender proves, for one request, that it has the key its access token is bound to."""

from __future__ import annotations

import hashlib
import re
import time
from math import inf
from secrets import token_urlsafe
from typing import Annotated, Any, ClassVar, NamedTuple, cast

import msgspec

from gatepass.jose import Key, base64url, headers, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import InvalidKeyError, JoseError
from gatepass.jose.limits import Limits

TYP = "dpop+jwt"
"""The header's `typ` (RFC 9449 §4.2)."""

ALGORITHMS = ("ES256", "ES384", "ES512", "Ed25519", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""The algorithms of proofs, asymmetric only: the key is in the header, so a secret would be public."""

MAX_LENGTH = 8192
"""The maximum length of a proof in characters."""

SKEW_SECONDS = 10
"""How far ahead `nbf` may be, of a clock that is off (FAPI 2.0 Security Profile §5.3.2.1)."""

_LIMITS = Limits(token_length=MAX_LENGTH)

_REQUIRED = ("jti", "htm", "htu", "iat")

_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")

_URL = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::([0-9]{0,5}))?"
    r"(/[!\"$->@-\[\]-~]*)?(?:[?#][!-\[\]-~]*)?",
    re.ASCII | re.IGNORECASE,
)
"""RFC 3986 §3.2.2 without user information. Parsers repair, and disagree: on blanks, backslashes, numbers in hosts."""

_LAST_PORT = 65_535

_DEFAULT_PORTS = {"http": 80, "https": 443}

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class InvalidProofError(JoseError):
    """The DPoP proof does not show, for this request, that its sender has the token's key (RFC 9449 §4.3)."""

    code: ClassVar[str] = "invalid_dpop_proof"


class _Claims(msgspec.Struct, frozen=True):
    jti: Name
    htm: str
    htu: str
    iat: NumericDate
    exp: NumericDate = inf
    ath: str | None = None
    nonce: str | None = None


class DPoPProof(NamedTuple):
    """A proof that passed every check but two, which need state: its nonce, and whether it was already used.

    Attributes:
        thumbprint: The SHA-256 thumbprint of the key (RFC 7638), as in a token's `cnf.jkt`.
        jti: Its name; another proof may have the same only under another key.
        iat: When it was made, in seconds since 1970.
        nonce: The server's word that it repeats, or None.
    """

    thumbprint: str
    jti: str
    iat: float
    nonce: str | None


def make(  # noqa: PLR0913 - each is named where it is called
    key: Key,
    *,
    method: str,
    url: str,
    token: str | None = None,
    nonce: str | None = None,
    now: float | None = None,
) -> str:
    """Make a proof for one request (RFC 9449 §4.2).

    Args:
        key: The private key that the token is bound to.
        method: The request's method.
        url: Where it goes; query and fragment are left out.
        token: The access token that it carries; None when asking for one.
        nonce: What the server said in `DPoP-Nonce`.
        now: The time, in seconds since 1970; by default the system's.

    Raises:
        InvalidKeyError: The key is a secret, or cannot sign.
    """
    if key.is_secret:
        raise InvalidKeyError("a proof is signed with an asymmetric key")
    claims: dict[str, Any] = {
        "jti": token_urlsafe(16),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(time.time() if now is None else now),
    }
    if token is not None:
        claims["ath"] = token_hash(token)
    if nonce is not None:
        claims["nonce"] = nonce
    public = {name: value for name, value in key.public().to_jwk().items() if name not in ("kid", "alg", "use")}
    return jwt.sign(claims, key, typ=TYP, headers={"jwk": public})


def check(  # noqa: PLR0913 - the call reads as its policy
    proof: str, *, method: str, url: str, token: str | None, now: float, seconds: float
) -> DPoPProof:
    """Check a proof by the rules of RFC 9449 §4.3, except the nonce and reuse, which the caller checks.

    Args:
        proof: The value of the one `DPoP` header.
        method: The request's method.
        url: The request's URL as its sender sees it.
        token: The access token of the request; None where it has none.
        now: The time, in seconds since 1970.
        seconds: How far `iat` may be from it, in either direction.

    Raises:
        InvalidProofError: It shows nothing.
    """
    try:
        header = headers.read(proof.partition(".")[0], _LIMITS)
        key = _key_of(header)
        claims = msgspec.convert(
            jwt.verify(
                proof,
                key,
                issuer=None,
                audience=None,
                typ=TYP,
                required=_REQUIRED,
                leeway=SKEW_SECONDS,
                now=now,
                limits=_LIMITS,
            ),
            _Claims,
        )
    except JoseError as error:
        raise InvalidProofError(f"the proof was refused: {error.code}") from None
    except msgspec.ValidationError:
        raise InvalidProofError("a claim of the proof has a wrong type") from None
    if claims.htm != method:
        raise InvalidProofError("the proof is for another method")
    if not is_same_target(claims.htu, url):
        raise InvalidProofError("the proof is for another URL")
    if not now - seconds <= claims.iat <= now + seconds or claims.exp <= now:
        raise InvalidProofError("the proof has expired, or is from the future")
    if token is not None and claims.ath != token_hash(token):
        raise InvalidProofError("the proof is for another token")
    return DPoPProof(key.thumbprint(), claims.jti, claims.iat, claims.nonce)


def _key_of(header: dict[str, Any]) -> Key:
    """RFC 9449 §4.3, 5 to 7: an asymmetric algorithm, and a public key without its private part."""
    members = header.get("jwk")
    if not isinstance(members, dict):
        raise InvalidKeyError("the proof has no jwk")
    if header["alg"] not in ALGORITHMS:
        raise InvalidKeyError("the proof has an algorithm that is not for proofs")
    members = cast("dict[str, Any]", members)
    return Key.from_public_jwk(members, None if "alg" in members else header["alg"])


def token_hash(token: str) -> str:
    """Hash an access token as the claim `ath` does (RFC 9449 §4.2)."""
    return base64url.encode(hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest())


def is_same_target(htu: str, url: str) -> bool:
    """Whether two URLs are equal without query and fragment, in any spelling (RFC 3986 §6.2.2, §6.2.3)."""
    target = _target(htu)
    return target is not None and target == _target(url)


def _target(url: str) -> tuple[str, str, int, str] | None:
    found = _URL.fullmatch(url)
    if found is None or int(found[3] or 0) > _LAST_PORT:
        return None
    scheme = found[1].lower()
    port = int(found[3] or 0) or _DEFAULT_PORTS[scheme]
    return scheme, found[2].lower(), port, _ESCAPE.sub(_plainer, found[4] or "/")


def _plainer(escape: re.Match[str]) -> str:
    """Decode only what need not be encoded: an encoded slash stays different from a plain one."""
    character = chr(int(escape[1], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escape[0].upper()
