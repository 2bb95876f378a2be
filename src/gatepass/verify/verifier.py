"""The single way in: a token, verified against one issuer and one policy, becomes a `Principal`."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Collection
from concurrent import futures
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from gatepass.jose import Key, KeySet, headers, jwt
from gatepass.jose.errors import (
    AlgNotAllowedError,
    InvalidPolicyError,
    MalformedError,
    UnknownKeyError,
    WrongIssuerError,
    WrongTypError,
)
from gatepass.tokens import access_token

from .errors import IssuerUnavailableError
from .fetch import FETCH_SECONDS, HttpxFetch, KeySource
from .issuer import Issuer
from .principal import of_access_token, of_other_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gatepass.jose import JoseError

    from .fetch import Fetch
    from .principal import Principal

MAX_LEEWAY = 300
"""Seconds; a clock that is further off needs repair."""

LONGEST_REMEMBERED = 8192
"""Characters; a longer token is verified each time, so that remembered tokens stay within a known memory."""

_WAIT_SECONDS = FETCH_SECONDS + 1


class _Known:
    """One set of keys, how long it is fresh, and the tokens that it verified: replaced as a whole, never mixed."""

    __slots__ = ("fetched_at", "fresh_until", "keys", "seen")

    def __init__(self, keys: Key | KeySet, fetched_at: float, fresh_until: float, seen: dict[str, Principal]) -> None:
        self.keys = keys
        self.fetched_at = fetched_at
        self.fresh_until = fresh_until
        self.seen = seen

    def is_fresh(self, now: float) -> bool:
        """Tell whether the keys need not be fetched again; given keys never do."""
        return self.fetched_at <= now < self.fresh_until


class Verifier:
    """Verifies access tokens of one issuer for one API. Make one when your application starts, and keep it.

    With an issuer alone it finds the keys by itself (RFC 8414 or OpenID Connect Discovery), fetches them at the first
    token and keeps them fresh; tokens are then verified without asking anybody. With `keys=` it never fetches.

    It may be shared by any number of threads, tasks and event loops.
    """

    def __init__(  # noqa: PLR0913 - the call reads as its policy
        self,
        *,
        issuer: str,
        audience: str | Collection[str],
        keys: Key | KeySet | None = None,
        jwks_url: str | None = None,
        typ: str | None = access_token.TYP,
        alg: str | None = None,
        leeway: float = 0,
        revocation: None = None,
        cache_size: int = 10_000,
        ca_file: str | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Fix the policy. Nothing is fetched yet.

        Args:
            issuer: What `iss` must be, exactly; without `keys`, an https URL (http on this machine only).
            audience: What `aud` must name: this, or one of these.
            keys: The issuer's keys. Nothing is fetched then, and shared secrets (HS256) are possible.
            jwks_url: Where the keys are, for an issuer without a metadata document.
            typ: The header's `typ`. With the default the rules of RFC 9068 hold. For issuers that write something
                else name it, or pass None for any; then `iss`, `exp`, `sub` and `aud` are required.
            alg: The algorithm of published keys that name none and whose type leaves a choice, such as `"RS256"`.
            leeway: Seconds by which the issuer's clock may differ.
            revocation: None: tokens are good until they expire.
            cache_size: How many verified tokens are remembered; 0 for none. They are forgotten when they expire and
                when the issuer's keys change. A refusal is never remembered.
            ca_file: A PEM file of the only certificate authorities to trust when fetching.
            fetch: Gets a URL in place of httpx: `fetch(url)` returns a `Fetched` or an awaitable of one. It runs in
                a thread of its own, so it may block; it must not follow redirects.
            clock: The time, in seconds since 1970.

        Raises:
            InvalidPolicyError: The arguments contradict each other, or httpx is needed and not installed.
        """
        if not isinstance(cast("object", issuer), str) or not issuer:
            raise InvalidPolicyError("issuer is a URL")
        if not isinstance(cast("object", typ), str | None) or typ == "":
            raise InvalidPolicyError("typ is a media type or None")
        if cast("object", revocation) is not None:
            raise InvalidPolicyError("revocation: None is the only choice")
        _check_numbers(leeway, cache_size)
        self.issuer = issuer
        self.audience = _checked_audience(audience)
        self.clock = clock
        self._typ = typ
        self._leeway = leeway
        self._read = _reader(typ, issuer=issuer, audience=self.audience, leeway=leeway)
        self._cache_size = cache_size
        self._lock = threading.Lock()
        if keys is not None and not isinstance(cast("object", keys), Key | KeySet):
            raise InvalidPolicyError("keys is a Key or a KeySet")
        if keys is None:
            self._known = _Known(KeySet([]), math.inf, -math.inf, {})
            self._source: KeySource | None = KeySource(
                Issuer(issuer, jwks_url=jwks_url, alg=alg),
                _checked_fetch(fetch, ca_file),
                clock=clock,
                on_learned=self._adopt,
            )
        else:
            if (jwks_url, alg, ca_file, fetch) != (None, None, None, None):
                raise InvalidPolicyError("with keys= nothing is fetched: leave out jwks_url, alg, ca_file and fetch")
            self._known = _Known(keys, -math.inf, math.inf, {})
            self._source = None

    def verify(self, token: str) -> Principal:
        """Verify a token, waiting for the issuer's keys if they are not there yet.

        Do not call it in an event loop: there, `averify` waits without blocking.

        Args:
            token: The compact serialisation, without `Bearer`.

        Raises:
            JoseError: It is refused, and `code` says why; `challenge` makes the answer of it. The codes are those of
                `gatepass.jose.jwt.verify`, `unproven_cnf` and `issued_in_future`.
            IssuerUnavailableError: The keys that it needs cannot be fetched: not the token's fault.
        """
        principal = self._remembered(token)
        if principal is not None:
            return principal
        try:
            return self._attempt(token)
        except UnknownKeyError as error:
            refusal = error
        for flight in self._flights(token, refusal):
            futures.wait((flight,), _WAIT_SECONDS)
            with suppress(UnknownKeyError):
                return self._attempt(token)
        raise self._verdict(refusal)

    async def averify(self, token: str) -> Principal:
        """Verify a token as `verify` does, in an asyncio event loop; only waiting for keys suspends.

        Args:
            token: The compact serialisation, without `Bearer`.

        Raises:
            JoseError: As for `verify`.
        """
        principal = self._remembered(token)
        if principal is not None:
            return principal
        try:
            return self._attempt(token)
        except UnknownKeyError as error:
            refusal = error
        for flight in self._flights(token, refusal):
            with suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_SECONDS):
                    await asyncio.wrap_future(flight)
            with suppress(UnknownKeyError):
                return self._attempt(token)
        raise self._verdict(refusal)

    def __repr__(self) -> str:
        return f"Verifier(issuer={self.issuer!r}, audience={self.audience!r})"

    # ── tokens ──

    def _remembered(self, token: str) -> Principal | None:
        """Find a token that these very keys have verified: a lookup, and three comparisons of times."""
        if not isinstance(cast("object", token), str):
            raise MalformedError("a token is a str")
        known, now = self._known, self.clock()
        principal = known.seen.get(token)
        if principal is None or now >= principal.expires_at + self._leeway:
            return None
        if known.is_fresh(now) or self._is_usable_meanwhile(now):
            return principal
        return None

    def _attempt(self, token: str) -> Principal:
        """Verify with the keys at hand."""
        known, now, source = self._known, self.clock(), self._source
        if source is not None and not source.issuer.is_usable(now):
            raise UnknownKeyError("the issuer's keys are not known yet, or not any more")
        principal = self._read(token, known.keys, now)
        # Only now, so that nobody who cannot show a good token makes us fetch.
        if source is not None and not known.is_fresh(now):
            source.refresh_if_due(now)
        if self._cache_size and len(token) <= LONGEST_REMEMBERED:
            self._remember(known.seen, token, principal)
        return principal

    def _remember(self, seen: dict[str, Principal], token: str, principal: Principal) -> None:
        with self._lock:
            while token not in seen and len(seen) >= self._cache_size:
                del seen[next(iter(seen))]  # the oldest, which ends first
            seen[token] = principal

    # ── keys ──

    def _is_usable_meanwhile(self, now: float) -> bool:
        """Have keys that are no longer fresh fetched behind our back, and tell whether they may verify until then."""
        source = cast("KeySource", self._source)  # keys that were given are always fresh
        source.refresh_if_due(now)
        return source.issuer.is_usable(now)

    def _flights(self, token: str, refusal: UnknownKeyError) -> Iterator[futures.Future[None]]:
        """Yield each refresh that is worth waiting for: at most one that was under way already, and one of our own."""
        if self._source is None:
            raise refusal
        self._refuse_hopeless(token)
        since = self._source.started
        for _ in range(2):
            flight = self._source.look_for_unknown(self.clock(), since=since)
            if flight is None:
                return
            yield flight

    def _refuse_hopeless(self, token: str) -> None:
        """Refuse what no key could make good, before anything is fetched for it."""
        seen = jwt.peek(token)
        if seen.headers["alg"].startswith("HS"):
            raise AlgNotAllowedError("a shared secret is never fetched: pass it as keys=")
        if self._typ is not None and headers.media_type(seen.headers.get("typ")) != headers.media_type(self._typ):
            raise WrongTypError(f"the token is not a {self._typ}")
        if seen.claims.get("iss") != self.issuer:
            raise WrongIssuerError("iss is not the expected issuer", claim="iss")

    def _adopt(self) -> None:
        """Verify with what the source has learned from now on; keys that are new have verified nothing yet."""
        issuer = cast("KeySource", self._source).issuer
        if issuer.fetched_at is not None:
            seen = self._known.seen if issuer.keys is self._known.keys else {}
            self._known = _Known(issuer.keys, issuer.fetched_at, issuer.fresh_until, seen)

    def _verdict(self, refusal: UnknownKeyError) -> JoseError:
        """Tell a key that does not exist from one that we could not look for."""
        issuer, now = cast("KeySource", self._source).issuer, self.clock()
        if issuer.failure is None and issuer.is_usable(now):
            return refusal
        return IssuerUnavailableError(
            f"cannot fetch the keys of {issuer.url}", retry_after=max(1, math.ceil(issuer.retry_after(now)))
        )


def _reader(
    typ: str | None, *, issuer: str, audience: str | Collection[str], leeway: float
) -> Callable[[str, Key | KeySet, float], Principal]:
    """Put a policy into one function: (token, keys, now) -> Principal, or an error."""
    if headers.media_type(typ) == headers.media_type(access_token.TYP):

        def read(token: str, keys: Key | KeySet, now: float) -> Principal:
            return of_access_token(
                access_token.check(token, keys, issuer=issuer, audience=audience, now=now, leeway=leeway)
            )
    else:

        def read(token: str, keys: Key | KeySet, now: float) -> Principal:
            return of_other_token(
                access_token.check_other(token, keys, issuer=issuer, audience=audience, typ=typ, now=now, leeway=leeway)
            )

    return read


def _checked_audience(audience: object) -> str | tuple[str, ...]:
    """RFC 9068 §4: an API knows its own name, and demands it."""
    names = (audience,) if isinstance(audience, str) else audience
    if not isinstance(names, Collection):
        raise InvalidPolicyError("audience is a name or a collection of names")
    names = tuple(cast("Collection[object]", names))
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidPolicyError("audience holds nothing, or what is no name")
    return audience if isinstance(audience, str) else cast("tuple[str, ...]", names)


def _checked_fetch(fetch: Fetch | None, ca_file: str | None) -> Fetch:
    if fetch is None:
        return HttpxFetch(ca_file=ca_file)
    if ca_file is not None:
        raise InvalidPolicyError("ca_file is for the built-in fetch: leave out one of them")
    return fetch


def _check_numbers(leeway: float, cache_size: int) -> None:
    if not 0 <= leeway <= MAX_LEEWAY:
        raise InvalidPolicyError(f"leeway is between 0 and {MAX_LEEWAY} seconds")
    if cache_size < 0:
        raise InvalidPolicyError("cache_size is negative")
