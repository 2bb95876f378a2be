"""Token introspection (RFC 7662): asking the issuer about each token, for opaque tokens or up-to-the-moment answers.

A `Verifier` costs far less, and keeps working while the issuer is down. Use this where tokens are not JWTs.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import weakref
from concurrent import futures
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gatepass.jose.errors import (
    BadClaimError,
    ExpiredError,
    InvalidPolicyError,
    MalformedError,
    NotYetValidError,
    WrongAudienceError,
    WrongIssuerError,
)
from gatepass.tokens.access_token import Checked, UnprovenCnfError, read_other, refuse_unproven

from .background import Background
from .clocks import Lifetime, Moment, running_clock, wall_clock
from .dpop import DPoPPolicy
from .errors import InactiveTokenError, IssuerUnavailableError
from .http_client import FETCH_SECONDS, HttpxFetch
from .issuer import FetchError
from .oauth_client import EndpointCaller, drive, read_json
from .reading import of_other_token
from .waiting import await_, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator

    from gatepass.jose import Key

    from .dpop import DPoP
    from .issuer import Fetched
    from .principal import Principal
    from .waiting import Wait

MAX_FLIGHTS = 100
"""How many tokens are asked about concurrently; further ones are refused."""

MAX_CACHE_SECONDS = 300

_MAX_LENGTH = 16_384
_RETRY_SECONDS = 5

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""RFC 6750 §2.1: the characters of a token."""

_KINDS = ("bearer", "dpop")

_log = logging.getLogger(__name__)


class _Remembered(NamedTuple):
    principal: Principal
    lifetime: Lifetime


class Introspector:
    """Asks the issuer whether a token is active. It has a `Verifier`'s methods, so every `Bearer` accepts it.

    Attributes:
        clock: The time, in seconds since 1970.
        dpop: Which DPoP proofs are accepted.
    """

    def __init__(  # noqa: PLR0913 - the call reads as its policy
        self,
        *,
        issuer: str,
        audience: str | Collection[str] | None,
        client_id: str,
        client_secret: str | None = None,
        client_key: Key | None = None,
        url: str | None = None,
        cache_seconds: float = 10,
        cache_size: int = 10_000,
        ca_file: str | None = None,
        dpop: DPoPPolicy | None = None,
        clock: Callable[[], float] = wall_clock,
    ) -> None:
        """Fix the policy. Nothing is asked yet.

        Args:
            issuer: The issuer to ask; an https URL (http on this machine only). What it says of `iss` must be this.
            audience: What it must say of `aud`: this, or one of these. None for an issuer that says nothing of `aud`;
                then every token of the issuer is taken, whichever API it is for.
            client_id: The client id of this API at the issuer.
            client_secret: That client's secret.
            client_key: Or its private key (RFC 7523).
            url: Where to ask, if the issuer's metadata does not say.
            cache_seconds: How long an answer is cached, and so how long a revoked token may still be accepted. 0: no
                cache. Refusals are never cached.
            cache_size: How many answers are cached.
            ca_file: A PEM file of the only certificate authorities to trust.
            dpop: Which DPoP proofs are accepted (RFC 9449).
            clock: The time, in seconds since 1970.

        Raises:
            InvalidPolicyError: The arguments contradict each other, or httpx is not installed.
        """
        if not 0 <= cache_seconds <= MAX_CACHE_SECONDS:
            raise InvalidPolicyError(f"cache_seconds is between 0 and {MAX_CACHE_SECONDS}")
        self.issuer = issuer
        self.clock = clock
        self.dpop = DPoPPolicy() if dpop is None else dpop
        self._audience = None if audience is None else frozenset((audience,) if isinstance(audience, str) else audience)
        if self._audience is not None and not all(self._audience):
            raise InvalidPolicyError("audience is a name, a collection of names or None")
        self._caller = EndpointCaller(
            issuer=issuer,
            client_id=client_id,
            client_secret=client_secret,
            client_key=client_key,
            endpoint="introspection_endpoint",
            url=url,
            clock=clock,
        )
        self._http = HttpxFetch(ca_file=ca_file, keep_alive=True)
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        self._seen: dict[str, _Remembered] = {}
        self._begin()
        self._background = Background("gatepass-introspection", self._http.aclose)
        weakref.finalize(self, self._background.close, 0)

    def _begin(self) -> None:
        """Start over in a process that forked: its locks and pending requests belong to the parent."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._flights: dict[str, futures.Future[Fetched]] = {}

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuer, as the one of a tuple."""
        return (self.issuer,)

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Ask about a token, as `Verifier.verify` does.

        Raises:
            JoseError: It is refused: `inactive`, or for a reason that the answer shows.
            IssuerUnavailableError: The issuer does not answer: it is unknown whether the token is active.
        """
        return wait(self.verified(token, dpop))

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Do as `verify` does, without blocking the event loop."""
        return await await_(self.verified(token, dpop))

    def verified(self, token: str, dpop: DPoP | None) -> Generator[Wait, None, Principal]:
        """Ask, yielding what to wait for, as `Verifier.verified` does."""
        if not isinstance(cast("object", token), str) or len(token) > _MAX_LENGTH or not _TOKEN.fullmatch(token):
            raise MalformedError("a token is one word of letters, digits and -._~+/")
        proof = None if dpop is None else self.dpop.check(dpop, token, self.clock())
        thumbprint = None if proof is None else proof.thumbprint
        if proof is None and self.dpop.required:
            raise UnprovenCnfError("a DPoP proof is needed")
        principal = self._remembered(token)
        if principal is None:
            principal = yield from self._asked(token, thumbprint)
        refuse_unproven(principal.claims, thumbprint)
        if proof is not None:
            yield from self.dpop.spend(proof, self.clock())
        return principal

    def close(self) -> None:
        """Close the connections."""
        self._background.close(FETCH_SECONDS)

    def __repr__(self) -> str:
        return f"Introspector(issuer={self.issuer!r})"

    def _remembered(self, token: str) -> Principal | None:
        found = self._seen.get(token)
        if found is None or found.lifetime.is_over(self._now) or self.clock() >= found.principal.expires_at:
            return None
        return found.principal

    @property
    def _now(self) -> Moment:
        return Moment(self.clock(), running_clock())

    def _asked(self, token: str, thumbprint: str | None) -> Generator[Wait, None, Principal]:
        if self._process != os.getpid():
            self._begin()
        flight = self._flight(token)
        yield flight, FETCH_SECONDS + 1
        try:
            found = read_json(flight.result(0), self.issuer)
        except (FetchError, TimeoutError, futures.CancelledError) as error:
            self._caller.forget()
            _log.warning("cannot ask %s about a token: %s", self.issuer, str(error) or "no answer in time")
            raise IssuerUnavailableError(f"cannot ask {self.issuer}", retry_after=_RETRY_SECONDS) from None
        principal = self._read(found, thumbprint)
        self._remember(token, principal)
        return principal

    def _flight(self, token: str) -> futures.Future[Fetched]:
        """Ask, unless a request about this token is in progress."""
        with self._lock:
            flight = self._flights.get(token)
            if flight is not None and not flight.done():
                return flight
            if len(self._flights) >= MAX_FLIGHTS:
                raise IssuerUnavailableError("too many tokens to ask about", retry_after=1)
            try:
                flight = self._background.submit(self._ask(token))
            except RuntimeError:
                raise IssuerUnavailableError("no thread can be started", retry_after=_RETRY_SECONDS) from None
            self._flights[token] = flight
        flight.add_done_callback(lambda _: self._landed(token))
        return flight

    def _landed(self, token: str) -> None:
        with self._lock:
            self._flights.pop(token, None)

    async def _ask(self, token: str) -> Fetched:
        async with asyncio.timeout(FETCH_SECONDS):
            form = {"token": token, "token_type_hint": "access_token"}
            return await drive(self._caller.call(form), self._http, self._http.post)

    def _read(self, found: dict[str, Any], thumbprint: str | None) -> Principal:
        """RFC 7662 §2.2: a token is active, or nothing more is said. A null member counts as missing."""
        found = {name: value for name, value in found.items() if value is not None}
        kind = found.get("token_type", "bearer")
        if found.get("active") is not True or not isinstance(kind, str) or kind.lower() not in _KINDS:
            raise InactiveTokenError("the issuer says that the token is not active")
        now = self.clock()
        until = now + self._cache_seconds
        named = {"iss": self.issuer, "sub": found.get("client_id"), "exp": until + 1}
        claims = {name: value for name, value in {**named, **found}.items() if value is not None}
        refuse_unproven(claims, thumbprint)  # before it is read: `cnf` may be anything
        try:
            read = read_other(claims, strict=("roles", "nbf"))
        except BadClaimError as error:
            raise BadClaimError(f"the issuer's answer is malformed: {error}", claim=error.claim) from None
        if read.iss != self.issuer:
            raise WrongIssuerError("iss is not the expected issuer", claim="iss")
        audiences = {read.aud} if isinstance(read.aud, str) else set(read.aud or ())
        if self._audience is not None and not self._audience & audiences:
            raise WrongAudienceError("aud does not name this API", claim="aud")
        if now >= read.exp:
            raise ExpiredError("the token has expired", claim="exp")
        if read.nbf is not None and now < read.nbf:
            raise NotYetValidError("the token is not valid yet", claim="nbf")
        return of_other_token(Checked(read, claims))

    def _remember(self, token: str, principal: Principal) -> None:
        lifetime = Lifetime(self._now, self._cache_seconds)
        with self._lock:
            self._seen.pop(token, None)
            while self._seen and len(self._seen) >= self._cache_size:
                del self._seen[next(iter(self._seen))]
            if self._cache_size and self._cache_seconds:
                self._seen[token] = _Remembered(principal, lifetime)
