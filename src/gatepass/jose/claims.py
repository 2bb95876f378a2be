"""The claims that RFC 7519 registers, and the policy that they have to satisfy (RFC 8725bis)."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations

from .errors import (
    BadClaimError,
    ExpiredError,
    InvalidPolicyError,
    MissingClaimError,
    NotYetValidError,
    WrongAudienceError,
    WrongIssuerError,
    WrongTypError,
)
from .headers import media_type

if TYPE_CHECKING:
    from .errors import JoseError

T = TypeVar("T")

_LATEST = 2**53 - 1
"""Integers up to here are the same to everybody (RFC 8259 §6); as a date it is 285 million years away."""

_IN_BOUNDS = msgspec.Meta(ge=-_LATEST, le=_LATEST)

NumericDate: TypeAlias = Annotated[int, _IN_BOUNDS] | Annotated[float, _IN_BOUNDS]
"""RFC 7519 §2: seconds since 1970, with or without a fraction; no boolean, and nothing too large to be a moment."""

_convert = msgspec.convert


class Registered(msgspec.Struct, gc=False):
    """RFC 7519 §4.1: the registered claims, and what each may be. Without `exp` a token never ends."""

    iss: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    aud: str | list[str] | UnsetType = UNSET
    exp: NumericDate = inf
    nbf: NumericDate = -inf
    iat: NumericDate | UnsetType = UNSET
    jti: str | UnsetType = UNSET


class Policy(msgspec.Struct, frozen=True, gc=False):
    """What the header and the claims of a token have to satisfy; `jwt.verify` says what each means."""

    issuer: str | None
    audience: str | Collection[str] | None
    typ: str | None
    required: Collection[str]
    leeway: float
    now: float | datetime | None

    def check(self, typ: str | None, claims: dict[str, Any]) -> None:
        """RFC 7519 §7.2 step 10: return if it does.

        Args:
            typ: What the header says.
            claims: What was signed.

        Raises:
            JoseError: It does not; `jwt.verify` names them all.
        """
        expected = self.typ
        if expected is not None and expected != typ:
            _check_typ(typ, expected)
        try:
            registered = _convert(claims, Registered)
            for name in self.required:
                if name not in claims:
                    raise _missing(name, self.required)
        except (msgspec.ValidationError, TypeError) as error:
            raise wrong_type(error) from None
        earliest = latest = time.time() if self.now is None else _seconds(self.now)
        if self.leeway:
            _check_leeway(self.leeway)
            earliest, latest = earliest - self.leeway, latest + self.leeway
        if registered.exp <= earliest:
            raise ExpiredError("the token has expired", claim="exp")
        if registered.nbf > latest:
            raise NotYetValidError("the token is not valid yet", claim="nbf")
        issuer, audience = self.issuer, self.audience
        if issuer is not None and issuer != registered.iss:
            raise _wrong_issuer(registered, issuer)
        if audience is not None and (audience.__class__ is not str or audience != registered.aud):
            _check_audience(registered, audience)


# ── one claim each ──────────────────────────────────────────────────────────────────────────────────────────────────


def _check_typ(actual: str | None, typ: object) -> None:
    if not isinstance(typ, str):
        raise InvalidPolicyError("typ is a string or None")
    if media_type(actual) != media_type(typ):
        raise WrongTypError(f"the token is not a {typ}")


def wrong_type(error: msgspec.ValidationError | TypeError) -> JoseError:
    """A registered claim of a wrong type is refused, never taken for an absent one."""
    if isinstance(error, msgspec.ValidationError):
        claim = _claim_in(error)
        return BadClaimError(f"{claim} has the wrong type", claim=claim)
    return InvalidPolicyError("required is a collection of names")


def _missing(name: str, required: Collection[str]) -> JoseError:
    if isinstance(required, str):
        return InvalidPolicyError("required is a collection of names")
    return MissingClaimError(f"{name} is required", claim=name)


def _wrong_issuer(claims: Registered, issuer: object) -> JoseError:
    if not isinstance(issuer, str):
        return InvalidPolicyError("issuer is a string or None")
    if claims.iss is UNSET:
        return MissingClaimError("iss is required", claim="iss")
    return WrongIssuerError("iss is not the expected issuer", claim="iss")


def _check_audience(claims: Registered, audience: str | Collection[str]) -> None:
    expected = _expected_audiences(audience)
    if claims.aud is UNSET:
        raise MissingClaimError("aud is required", claim="aud")
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not any(one in expected for one in named):
        raise WrongAudienceError("aud does not name the expected audience", claim="aud")


def _expected_audiences(audience: object) -> Collection[str]:
    expected = (audience,) if isinstance(audience, str) else audience
    if not isinstance(expected, (tuple, Collection)) or not expected:  # an exact type is checked faster
        raise InvalidPolicyError("audience is a string, a collection of strings or None")
    return [_text("audience", one) for one in cast("Collection[object]", expected)]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidPolicyError(f"{name} is not a string")
    return value


def _seconds(now: object) -> float:
    if isinstance(now, datetime) and now.tzinfo is not None:
        return now.timestamp()
    if isinstance(now, (int, float)) and -_LATEST <= now <= _LATEST:
        return now
    raise InvalidPolicyError("now is a number of seconds or a datetime with a time zone")


def _check_leeway(leeway: object) -> None:
    if not isinstance(leeway, (int, float)) or not 0 <= leeway <= _LATEST:
        raise InvalidPolicyError("leeway is a number of seconds")


def typed(claims: dict[str, Any], into: type[T]) -> T:
    """Fill a type of the caller's with claims.

    Raises:
        BadClaimError: They do not fit.
        InvalidPolicyError: It is no such type.
    """
    try:
        return _convert(claims, into, dec_hook=_unfillable)
    except msgspec.ValidationError as error:
        raise BadClaimError("the claims do not fit the type", claim=_claim_in(error)) from None
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("into is a type that msgspec can fill") from None


def _unfillable(kind: type, _: object) -> NoReturn:
    """What msgspec calls for a type that it does not know, alone or inside of another."""
    raise InvalidPolicyError(
        f"into is a type that msgspec can fill, and {kind.__name__} is none; a model of pydantic takes the claims "
        "that verify returns without into: Model.model_validate(claims)"
    )


def _claim_in(error: msgspec.ValidationError) -> str:
    """Find the claim that msgspec's message points to; the rest of the message may quote the token.

    It ends with "- at `$.exp`", or says "missing required field `exp`"; else it is about no claim of the type.
    """
    message = str(error)
    if message.startswith("Object contains unknown field"):
        return ""
    _, found, path = message.rpartition("at `$.")
    if not found:
        _, _, path = message.partition("missing required field `")
    return path.partition("`")[0].partition("[")[0].partition(".")[0]
