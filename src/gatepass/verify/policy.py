"""What an API requires of its tokens, checked at start-up, so that mistakes do not fail at a request."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, cast

import msgspec
from msgspec import UNSET, structs

from gatepass.jose import headers
from gatepass.jose.errors import AlgNotAllowedError, InvalidPolicyError, WrongIssuerError, WrongTypError
from gatepass.tokens import access_token
from gatepass.tokens.bridge_entry import FeedSecret

from .denylist import Denylist
from .issuer import Offer, checked_url
from .reading import of_access_token, of_other_token, roles_at

if TYPE_CHECKING:
    from typing import Self

    from msgspec import UnsetType

    from gatepass.jose import Key, KeySet
    from gatepass.jose.jwt import Unverified

    from .following.known import Mode, Stale
    from .principal import Principal

MAX_LEEWAY = 300
"""In seconds; a clock that is further off needs repair."""

_ROLES = ("roles",)


class TokenPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The requirements for a token; the arguments of `Verifier`, which documents each.

    Attributes:
        follows_rfc9068: Whether the rules of RFC 9068 hold.
    """

    issuer: str
    audience: str | tuple[str, ...]
    typ: str | None
    audience_claim: str
    roles: tuple[str, ...]
    leeway: float
    follows_rfc9068: bool

    @classmethod
    def of(  # noqa: PLR0913 - the call reads as its policy
        cls,
        *,
        issuer: object,
        audience: object,
        typ: object,
        audience_claim: object,
        roles: object,
        leeway: float,
    ) -> Self:
        """Check a caller's arguments.

        Raises:
            InvalidPolicyError: One makes no sense, or two contradict each other.
        """
        if not isinstance(issuer, str) or not issuer:
            raise InvalidPolicyError("issuer is a URL")
        if not isinstance(typ, str | None) or typ == "":
            raise InvalidPolicyError("typ is a media type or None")
        if not 0 <= leeway <= MAX_LEEWAY:
            raise InvalidPolicyError(f"leeway is between 0 and {MAX_LEEWAY} seconds")
        return cls(
            issuer=issuer,
            audience=_checked_audience(audience),
            typ=typ,
            audience_claim=_checked_audience_claim(audience_claim, typ),
            roles=_checked_path(roles),
            leeway=leeway,
            follows_rfc9068=_is_rfc9068(typ),
        )

    def read(self, token: str, keys: Key | KeySet, now: float, thumbprint: str | None) -> Principal:
        """Verify a token, and return its principal.

        Args:
            token: The compact serialization.
            keys: The issuer's keys.
            now: The time, in seconds since 1970.
            thumbprint: The key that the sender has proved to have.

        Raises:
            JoseError: It is refused.
        """
        if self.follows_rfc9068:
            principal = self._read_access_token(token, keys, now, thumbprint)
        else:
            principal = self._read_other_token(token, keys, now, thumbprint)
        if self.roles == _ROLES:
            return principal
        return structs.replace(principal, roles=roles_at(principal.claims, self.roles))

    def _read_access_token(self, token: str, keys: Key | KeySet, now: float, thumbprint: str | None) -> Principal:
        return of_access_token(
            access_token.check(
                token,
                keys,
                issuer=self.issuer,
                audience=self.audience,
                now=now,
                leeway=self.leeway,
                thumbprint=thumbprint,
            )
        )

    def _read_other_token(self, token: str, keys: Key | KeySet, now: float, thumbprint: str | None) -> Principal:
        return of_other_token(
            access_token.check_other(
                token,
                keys,
                issuer=self.issuer,
                audience=self.audience,
                typ=self.typ,
                now=now,
                leeway=self.leeway,
                thumbprint=thumbprint,
                audience_claim=self.audience_claim,
            )
        )

    def refuse_hopeless(self, seen: Unverified) -> None:
        """Refuse a token that no fetched key could verify, by its unverified content.

        Raises:
            JoseError: It is of another algorithm, type or issuer.
        """
        if seen.headers["alg"].startswith("HS"):
            raise AlgNotAllowedError("a shared secret is never fetched: pass it as keys=")
        if self.typ is not None and headers.media_type(seen.headers.get("typ")) != headers.media_type(self.typ):
            raise WrongTypError(f"the token is not a {self.typ}")
        if seen.claims.get("iss") != self.issuer:
            raise WrongIssuerError("iss is not the expected issuer", claim="iss")


class BridgePolicy(NamedTuple):
    """Which bridge tells of an issuer's revocations; the arguments of `Verifier`.

    Attributes:
        url: Where its stream is; its snapshot is below it.
        issuer: Who signs both, and publishes the keys for that.
        secret: What it shares with its readers.
        subject_claim: Which claim names the subject, besides `sub`.
    """

    url: str
    issuer: str
    secret: FeedSecret
    subject_claim: str | None

    @classmethod
    def of(  # noqa: PLR0913 - the call reads as its policy
        cls,
        *,
        url: str | None,
        issuer: str | None,
        secret: str | None,
        subject_claim: str | None,
        token_issuer: str,
        has_fetch: bool,
        allow_http: bool,
    ) -> Self | None:
        """Check a caller's arguments.

        Args:
            url: As for `Verifier`.
            issuer: As for `Verifier`.
            secret: As for `Verifier`.
            subject_claim: As for `Verifier`.
            token_issuer: Who signs the tokens.
            has_fetch: Whether documents are fetched by a function of the caller's.
            allow_http: Whether hosts of a development network are asked without TLS.

        Returns:
            The policy; None: there is no bridge.

        Raises:
            InvalidPolicyError: One makes no sense, or is missing.
        """
        if url is None and issuer is None and secret is None:
            if subject_claim is not None:
                raise InvalidPolicyError("feed_subject is for tokens that a bridge tells of: set feed_url")
            return None
        if url is None or issuer is None or secret is None:
            raise InvalidPolicyError("feed_url, feed_issuer and feed_secret go together")
        if issuer == token_issuer:
            raise InvalidPolicyError("feed_issuer is a bridge; an issuer's own feed is followed without feed_url")
        if has_fetch:
            raise InvalidPolicyError("feed_url is followed by the built-in fetch: leave out fetch")
        for given, name in ((url, "feed_url"), (issuer, "feed_issuer")):
            checked_url(given, name, allow_http=allow_http)
        return cls(url.rstrip("/"), issuer, FeedSecret(secret), subject_claim)

    @property
    def offer(self) -> Offer:
        """Where stream and snapshot are."""
        return Offer(self.url, f"{self.url}/snapshot")


class RevocationPolicy(NamedTuple):
    """How an API learns what has been revoked; the arguments of `Verifier`.

    Attributes:
        mode: How to follow the issuer; None: not at all.
        denylist: The object to ask instead of the issuer.
        stale: What happens to tokens while the revocations are not known.
        stale_after: From which age on the issuer's last proof is worth nothing.
    """

    mode: Mode | None
    denylist: Denylist | None
    stale: Stale
    stale_after: float

    @classmethod
    def of(
        cls,
        revocation: Mode | Denylist | UnsetType | None,
        *,
        stale: Stale,
        stale_after: float,
        is_offline: bool,
        has_fetch: bool,
    ) -> Self:
        """Check a caller's arguments, and choose where it has not.

        Args:
            revocation: As for `Verifier`.
            stale: As for `Verifier`.
            stale_after: As for `Verifier`.
            is_offline: Whether keys were given.
            has_fetch: Whether documents are fetched by a function of the caller's.

        Raises:
            InvalidPolicyError: One makes no sense, or two contradict each other.
        """
        if stale not in ("serve", "refuse"):
            raise InvalidPolicyError("stale is serve or refuse")
        if not 0 < stale_after < math.inf:
            raise InvalidPolicyError("stale_after is a number of seconds")
        if isinstance(revocation, Denylist):
            return cls(None, revocation, stale, stale_after)
        return cls(_checked_mode(revocation, is_offline=is_offline, has_fetch=has_fetch), None, stale, stale_after)


def _is_rfc9068(typ: str | None) -> bool:
    return headers.media_type(typ) == headers.media_type(access_token.TYP)


def _checked_audience_claim(claim: object, typ: str | None) -> str:
    """RFC 9068 §2.2 has the audience in `aud`; for others it must be named explicitly."""
    if not isinstance(claim, str) or not claim:
        raise InvalidPolicyError("audience_claim is the name of a claim")
    if claim != "aud" and _is_rfc9068(typ):
        raise InvalidPolicyError("audience_claim is for issuers that do not follow RFC 9068: say typ=, or typ=None")
    return claim


def _checked_path(path: object) -> tuple[str, ...]:
    names = (path,) if isinstance(path, str) else path
    if not isinstance(names, tuple) or not names:
        raise InvalidPolicyError("roles is the name of a claim, or a tuple of names")
    if not all(isinstance(name, str) and name for name in cast("tuple[object, ...]", names)):
        raise InvalidPolicyError("roles has an element that is not a name")
    return cast("tuple[str, ...]", names)


def _checked_audience(audience: object) -> str | tuple[str, ...]:
    """RFC 9068 §4: an API knows its own name, and requires it."""
    names = (audience,) if isinstance(audience, str) else audience
    if not isinstance(names, Collection):
        raise InvalidPolicyError("audience is a name or a collection of names")
    names = tuple(cast("Collection[object]", names))
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidPolicyError("audience is empty, or has an element that is not a name")
    return audience if isinstance(audience, str) else cast("tuple[str, ...]", names)


def _checked_mode(revocation: object, *, is_offline: bool, has_fetch: bool) -> Mode | None:
    """Choose how to follow, where the caller has not."""
    if revocation is UNSET:
        if is_offline:
            return None
        return "list" if has_fetch else "feed"
    if revocation == "feed" and has_fetch:
        raise InvalidPolicyError("the feed is a stream, which fetch= cannot get: leave it out, or take list")
    match revocation:
        case "feed":
            return "feed"
        case "list":
            return "list"
        case None:
            return None
        case _:
            raise InvalidPolicyError("revocation is feed, list or None")
