"""The verifier: turns a token into a `Principal`, for one issuer and one policy.

`AnyOf` combines several verifiers, and chooses among them.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import re
import threading
import time
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from msgspec import UNSET, structs

from gatepass.jose import Key, KeySet, jwt
from gatepass.jose.errors import (
    InvalidPolicyError,
    MalformedError,
    UnknownKeyError,
    WrongIssuerError,
)
from gatepass.tokens import access_token, published_keys
from gatepass.tokens.access_token import UnprovenCnfError

from .clocks import wall_clock
from .denylist import Consulting
from .dpop import DPoPPolicy
from .errors import IssuerUnavailableError, RevokedError
from .fetch import KeySource
from .follow import Follower
from .following.bridged import Bridged
from .following.health import Health, worst_of
from .following.revocations import Revocations
from .following.upstreams import checked_relay
from .http_client import FETCH_SECONDS, HttpxFetch
from .issuer import IssuerKeys
from .memory import Memory
from .network import Network
from .policy import BridgePolicy, RevocationPolicy, TokenPolicy
from .waiting import await_, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence
    from concurrent import futures
    from types import TracebackType
    from typing import Self

    from msgspec import UnsetType

    from gatepass.jose import JoseError

    from .denylist import Denylist
    from .dpop import DPoP
    from .following.known import Mode, Stale
    from .http_client import Fetch
    from .principal import Principal
    from .waiting import Wait

_WAIT_SECONDS = FETCH_SECONDS + 1

_CLOSE_SECONDS = 5.0

_REASONS_TOLD = 16

_TENANT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

_log = logging.getLogger(__name__)


class Verifier:
    """Verifies access tokens of one issuer for one API. Make one when your application starts, and keep it.

    With an issuer alone it finds the keys by itself (RFC 8414 or OpenID Connect Discovery), fetches them at the first
    token and keeps them fresh; tokens are then verified offline. With `keys=` it never fetches.

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
        roles: str | tuple[str, ...] = "roles",
        audience_claim: str = "aud",
        leeway: float = 0,
        revocation: Mode | Denylist | UnsetType | None = UNSET,
        stale: Stale = "serve",
        stale_after: float = 60,
        cache_size: int = 10_000,
        ca_file: str | None = None,
        proxy: str | None = None,
        fetch: Fetch | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        relays: Collection[str] = (),
        feed_url: str | None = None,
        feed_issuer: str | None = None,
        feed_secret: str | None = None,
        feed_subject: str | None = None,
        dpop: DPoPPolicy | None = None,
        allow_http_in_development: bool = False,
        clock: Callable[[], float] = wall_clock,
    ) -> None:
        """Fix the policy. Nothing is fetched yet.

        Args:
            issuer: What `iss` must be, exactly; without `keys`, an https URL (http on this machine only).
            audience: What `aud` must name: this, or one of these.
            keys: The issuer's keys. Nothing is fetched then, and shared secrets (HS256) are possible. Those that are
                marked as signing revocations only verify no token.
            jwks_url: Where the keys are, for an issuer without a metadata document.
            typ: The header's `typ`. With the default the rules of RFC 9068 hold. For issuers that write something
                else name it, or pass None for any; then `iss`, `exp`, `sub` and `aud` are required.
            alg: The algorithm of published keys that name none and whose type leaves a choice, such as `"RS256"`.
            roles: The claim that says what the subject is: its name, or for one inside of others all names, such as
                `("realm_access", "roles")`. It is text (one role), a list, or an object whose members are the roles.
            audience_claim: Which claim names the audience, at an issuer that writes no `aud`: `"client_id"` for
                Cognito, `"azp"` for Clerk. Whoever gets tokens with that claim from this issuer can use them here.
            leeway: Seconds by which the issuer's clock may differ.
            revocation: `"feed"`: the issuer pushes what it revokes, and tokens die within a second. `"list"`: it is
                fetched every half minute or so. None: tokens are good until they expire. Unless told it is `"feed"`;
                with `fetch`, which cannot listen, `"list"`; with `keys`, None. An issuer that publishes none is not
                asked for any, and `health` says so. An object with `is_revoked(principal)` is asked in its place, in
                memory: it must not wait for anything.
            stale: What becomes of tokens while we do not know what has been revoked: `"serve"` judges them by what we
                knew last, `"refuse"` by nothing (503).
            stale_after: The age in seconds of the issuer's last proof from which on we do not know any more. It sends
                one every 2 seconds.
            cache_size: How many verified tokens are remembered; 0 for none. They are forgotten when they expire and
                when the issuer's keys change. A refusal is never remembered.
            ca_file: A PEM file of the only certificate authorities to trust when fetching.
            proxy: The URL of a proxy to fetch through, in place of the environment's (`HTTPS_PROXY`). An issuer on this
                machine is never asked through one.
            fetch: Gets a URL in place of httpx: `fetch(url)` returns a `Fetched` or an awaitable of one. It runs in
                a thread of its own, so it may block; it must not follow redirects.
            client_id: Which registered client this API is at the issuer. A reader that proves that has a place at the
                push stream which strangers cannot take; nothing else asks for it.
            client_secret: That client's secret.
            relays: The URLs of relays (`gatepass relay`) from which to learn what is revoked, the nearest first; when
                none of them serves, the issuer itself is asked. They need no trust, since all that they pass on is
                signed by the issuer. The keys come from the issuer only.
            feed_url: Where a bridge (`gatepass bridge`) tells what an issuer has revoked that publishes no feed itself:
                the URL of its stream, such as `"https://bridge.example.com/revocations"`. Tokens are refused as
                `revoked` that were issued before their subject or sign-in was revoked. `stale` and `stale_after` hold
                for it, too.
            feed_issuer: The bridge's name, whose keys sign that feed, and never a token.
            feed_secret: What the bridge shares with its readers.
            feed_subject: A claim by which the issuer's notices name the subject, where that is not `sub`: `"oid"` for
                Entra, `"uid"` for Okta.
            dpop: Which DPoP proofs are accepted (RFC 9449); by default those of the last minute, each once in this
                process, and tokens may be bound to a key or not.
            allow_http_in_development: Fetch without TLS from hosts of a development network: names without a dot, as in
                a compose file, and private addresses. Whoever is in between can then make tokens, so it is logged.
            clock: The time, in seconds since 1970.

        Raises:
            InvalidPolicyError: The arguments contradict each other, or httpx is needed and not installed.
        """
        self._policy = TokenPolicy.of(
            issuer=issuer, audience=audience, typ=typ, audience_claim=audience_claim, roles=roles, leeway=leeway
        )
        revoking = RevocationPolicy.of(
            revocation,
            stale=stale,
            stale_after=stale_after,
            is_offline=keys is not None,
            has_fetch=fetch is not None,
        )
        keys = _keys_of_tokens(keys)
        if cache_size < 0:
            raise InvalidPolicyError("cache_size is negative")
        if relays and (isinstance(relays, str) or revoking.mode is None):
            raise InvalidPolicyError('relays is a collection of URLs, for revocation="feed" or "list"')
        bridge = BridgePolicy.of(
            url=feed_url,
            issuer=feed_issuer,
            secret=feed_secret,
            subject_claim=feed_subject,
            token_issuer=issuer,
            has_fetch=fetch is not None,
            allow_http=allow_http_in_development,
        )
        is_offline = keys is not None and revoking.mode is None
        fetched = (jwks_url, alg, fetch) if bridge is not None else (jwks_url, alg, ca_file, proxy, fetch)
        if is_offline and any(given is not None for given in fetched):
            raise InvalidPolicyError("with keys= nothing is fetched: leave out jwks_url, alg, ca_file, proxy and fetch")
        network = Network.of(
            fetch=fetch, ca_file=ca_file, proxy=proxy, client_id=client_id, client_secret=client_secret
        )
        self.issuer = issuer
        self.audience = self._policy.audience
        self.typ = typ
        self.leeway = leeway
        self.clock = clock
        self.dpop = DPoPPolicy() if dpop is None else dpop
        self._cache_size = cache_size
        self._told: set[str] = set()
        self._process = os.getpid()
        self._lock = threading.Lock()
        source = None
        if not is_offline:
            source = self._new_source(
                IssuerKeys(issuer, jwks_url=jwks_url, alg=alg, allow_http=allow_http_in_development), network
            )
        self._follower = self._new_follower(revoking, source, network, [checked_relay(relay) for relay in relays])
        self._feed = self._new_feed(revoking, bridge, network, allow_http=allow_http_in_development)
        self._followers = tuple(each for each in (self._follower, self._feed) if each is not None)
        self._source = source if keys is None else None  # given keys are never fetched again
        self._memory = Memory(KeySet([]), math.inf, -math.inf) if keys is None else Memory(keys, -math.inf, math.inf)
        _verifiers.add(self)

    def _new_source(self, issuer: IssuerKeys, network: Network) -> KeySource:
        """Make the source of the issuer's keys."""
        return KeySource(issuer, network.for_keys(), clock=self.clock, on_learned=self._weakly_adopt())

    def _new_follower(
        self, revoking: RevocationPolicy, source: KeySource | None, network: Network, relays: Sequence[str]
    ) -> Follower | Consulting | None:
        """Make the follower of revocations, if requested."""
        if revoking.denylist is not None:
            return Consulting(revoking.denylist)
        if source is None or revoking.mode is None:
            return None
        documents = network.for_documents()
        follower = Follower(
            Revocations(
                self.issuer,
                mode=revoking.mode,
                stale=revoking.stale,
                stale_after=revoking.stale_after,
                relays=relays,
            ),
            source=source,
            fetch=documents,
            listen=network.for_stream(self.issuer),
            close=documents.aclose if isinstance(documents, HttpxFetch) else None,
            clock=self.clock,
            on_keys_refused=self._weakly_adopt(),
        )
        weakref.finalize(self, follower.stop).atexit = False
        return follower

    def _new_feed(
        self, revoking: RevocationPolicy, bridge: BridgePolicy | None, network: Network, *, allow_http: bool
    ) -> Follower | None:
        """Make the follower of a bridge's feed, if there is one, with a source whose keys verify no token."""
        if bridge is None:
            return None
        client, fetch, listen = network.for_bridge(bridge.secret.bearer)
        source = KeySource(
            IssuerKeys(bridge.issuer, offer=bridge.offer, allow_http=allow_http),
            network.for_keys(),
            clock=self.clock,
            on_learned=lambda: feed.learn_offer(),  # noqa: PLW0108 - it is made below
        )
        feed = Follower(
            Revocations(
                bridge.issuer,
                mode="feed",
                stale=revoking.stale,
                stale_after=revoking.stale_after,
                bridged=Bridged(self.issuer, bridge.secret, bridge.subject_claim),
            ),
            source=source,
            fetch=fetch,
            listen=listen,
            close=client.aclose,
            clock=self.clock,
            on_keys_refused=_nothing,
        )
        weakref.finalize(self, feed.stop).atexit = False
        return feed

    def _weakly_adopt(self) -> Callable[[], None]:
        """Return `_adopt` with a weak reference, so that an unused verifier is collected, and its thread ends."""
        return partial(_call, weakref.WeakMethod(self._adopt))

    @staticmethod
    def any_of(*verifiers: Verifier) -> AnyOf:
        """Accept the tokens of several issuers, each by its own verifier: keys, audience and policy never mix.

        Args:
            verifiers: One for each issuer.

        Raises:
            InvalidPolicyError: There is none, or two are for the same issuer.
        """
        return AnyOf(verifiers)

    @classmethod
    def for_tenants(cls, *, issuer: str, tenants: Collection[str], **policy: Any) -> AnyOf:  # noqa: ANN401 - of Verifier
        """Accept the tokens of some tenants of an issuer that has a name for each, such as Microsoft Entra.

        Args:
            issuer: The issuer with `{tenant}` in place of the tenant's id:
                `"https://login.microsoftonline.com/{tenant}/v2.0"`.
            tenants: Whose tokens to accept, by id. Anybody can have a tenant there, so none is accepted that is not
                named.
            policy: The other arguments of `Verifier`, the same for all.

        Raises:
            InvalidPolicyError: `issuer` has no `{tenant}`, or there is no tenant, or one that is no id.
        """
        if issuer.count("{tenant}") != 1 or isinstance(tenants, str) or not tenants:
            raise InvalidPolicyError("issuer has {tenant} in it, and tenants is a collection of ids")
        if not all(isinstance(one, str) and _TENANT.fullmatch(one) for one in cast("Collection[object]", tenants)):
            raise InvalidPolicyError("a tenant's id is made of letters, digits and -._")
        return AnyOf([cls(issuer=issuer.replace("{tenant}", one), **policy) for one in dict.fromkeys(tenants)])

    @property
    def issuers(self) -> tuple[str, ...]:
        """The issuer, as a tuple of one, for documents about this API."""
        return (self.issuer,)

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token, waiting for the issuer's keys, and for what it has revoked, if they are not there yet.

        Do not call it in an event loop: there, `averify` waits without blocking.

        Args:
            token: The compact serialization, without `Bearer` or `DPoP`.
            dpop: The proof that came with it, and the request that it must be about (RFC 9449). Each proof is good
                once. A token that is bound to a key is refused without one, and one that is not, with one.

        Raises:
            JoseError: It is refused, and `code` says why; `challenge` makes the answer of it. The codes are those of
                `gatepass.jose.jwt.verify`, `unproven_cnf`, `issued_in_future`, `revoked`, `invalid_dpop_proof` and
                `use_dpop_nonce`.
            IssuerUnavailableError: The keys that it needs cannot be fetched (`issuer_unavailable`), or with
                `stale="refuse"` what has been revoked (`revocation_stale`), or which proofs were used
                (`replays_unavailable`): not the token's fault.
        """
        principal = self.at_once(token) if dpop is None else None
        return wait(self.verified(token, dpop)) if principal is None else principal

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token as `verify` does, in an asyncio event loop; only waiting for the issuer suspends.

        Args:
            token: The compact serialization, without `Bearer` or `DPoP`.
            dpop: As for `verify`.

        Raises:
            JoseError: As for `verify`.
        """
        principal = self.at_once(token) if dpop is None else None
        return await await_(self.verified(token, dpop)) if principal is None else principal

    def start(self, seconds: float = FETCH_SECONDS) -> Health:
        """Fetch the keys and what has been revoked, before the first token comes. Call it when your application starts.

        An issuer that does not answer is no error: it is asked again, and `health` says how things stand.

        Args:
            seconds: How long to wait at most.
        """
        wait(self._started(seconds))
        return self.health()

    async def astart(self, seconds: float = FETCH_SECONDS) -> Health:
        """Do as `start` does, without blocking the asyncio event loop.

        Args:
            seconds: How long to wait at most.
        """
        await await_(self._started(seconds))
        return self.health()

    def _started(self, seconds: float) -> Generator[Wait, None, None]:
        self._notice_fork()
        ends = time.monotonic() + seconds
        if self._source is not None and not self._source.issuer.is_fresh(self.clock()):
            flight = self._source.look_again(self.clock())
            if flight is not None:
                yield flight, seconds
        for follower in self._followers:
            yield from follower.prefetch(max(0.0, ends - time.monotonic()))

    def health(self) -> Health:
        """Return how up to date the keys and the revocations are."""
        self._notice_fork()
        now = self.clock()
        keys_fresh = self._memory.is_fresh(now)
        keys_usable = self._source is None or self._source.issuer.is_usable(now)
        healths = [each.health(keys_fresh=keys_fresh, keys_usable=keys_usable) for each in self._followers]
        if not healths:
            healths = [Health(keys_fresh=keys_fresh, feed="off", ready=keys_usable)]
        return structs.replace(worst_of(healths), keys_problem=self._keys_problem())

    def _keys_problem(self) -> str | None:
        if self._source is None:
            return None
        return self._source.issuer.failure or self._source.issuer.keys.left_out

    def close(self) -> None:
        """Stop following what the issuer revokes; tokens are judged by what is known so far."""
        self._notice_fork()  # the parent's thread does not exist in this process
        for follower in self._followers:
            follower.close(_CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Verifier(issuer={self.issuer!r}, audience={self.audience!r})"

    # ── tokens ──

    def at_once(self, token: str) -> Principal | None:
        """Verify without waiting, which is possible for nearly every token.

        Returns:
            The principal; None if `verified` is needed.

        Raises:
            JoseError: As for `verify`.
        """
        if not isinstance(cast("object", token), str):
            raise MalformedError("a token is a str")
        if self.dpop.required:
            return None
        now = self.clock()
        principal = self._remembered(token, now)
        if principal is None:
            try:
                principal = self._attempt(token)
            except UnknownKeyError:
                return None
        elif principal.key_thumbprint is not None:
            return None
        return principal if self._is_cleared(principal, now) else None

    def remembered(self, token: str) -> Principal | None:
        """Find a cached token that these keys have verified, that is not bound, and not revoked since."""
        now = self.clock()
        principal = self._remembered(token, now)
        if principal is None or principal.key_thumbprint is not None or self.dpop.required:
            return None
        return principal if self._is_cleared(principal, now) else None

    def _is_cleared(self, principal: Principal, now: float) -> bool:
        """Whether a token is known not to be revoked."""
        follower, feed = self._follower, self._feed
        if feed is not None and not feed.verdict.clears(principal, now):
            return False
        return follower is None or follower.verdict.clears(principal, now)

    def verified(self, token: str, dpop: DPoP | None) -> Generator[Wait, None, Principal]:
        """Verify and check revocation: yields what to wait for, and returns the principal.

        Raises:
            JoseError: As for `verify`.
        """
        if not isinstance(cast("object", token), str):
            raise MalformedError("a token is a str")
        proof = None if dpop is None else self.dpop.check(dpop, token, self.clock())
        if proof is None and self.dpop.required:
            raise UnprovenCnfError("a DPoP proof is needed")
        thumbprint = None if proof is None else proof.thumbprint
        principal = yield from self._standing(token, thumbprint)
        if proof is not None:  # last, so that only valid tokens fill the memory
            yield from self.dpop.spend(proof, self.clock())
        return principal

    def _standing(self, token: str, thumbprint: str | None) -> Generator[Wait, None, Principal]:
        """Verify, and ask whether it has been revoked."""
        self._notice_fork()
        memory = self._memory
        principal = self._remembered(token, self.clock())
        if principal is None or principal.key_thumbprint != thumbprint:
            principal = yield from self._authentic(token, thumbprint)
        for follower in self._followers:
            yield from follower.settle(principal)
        if self._memory is not memory:  # its key may have been revoked meanwhile
            principal = yield from self._authentic(token, thumbprint)
        for follower in self._followers:
            follower.judge(principal)
        return principal

    def _remembered(self, token: str, now: float) -> Principal | None:
        """Find a cached token that these keys have verified: a lookup, and three comparisons of times."""
        memory = self._memory
        seen = memory.seen.get(token)
        if seen is None or not seen[0] <= now < seen[1]:
            return None
        if memory.is_fresh(now) or self._is_usable_meanwhile(now):
            return seen[2]
        return None

    def _authentic(self, token: str, thumbprint: str | None) -> Generator[Wait, None, Principal]:
        """Verify, yielding each refresh of the keys that may help."""
        try:
            return self._attempt(token, thumbprint)
        except UnknownKeyError as error:
            refusal = error
        for flight in self._flights(token, refusal):
            yield flight, _WAIT_SECONDS
            try:
                return self._attempt(token, thumbprint)
            except UnknownKeyError as error:
                refusal = error  # the keys have changed, and so has the reason
        raise self._verdict(refusal)

    def _attempt(self, token: str, thumbprint: str | None = None) -> Principal:
        """Verify with the keys at hand."""
        self._notice_fork()
        memory, now, source = self._memory, self.clock(), self._source
        if source is not None and not source.issuer.is_usable(now):
            raise UnknownKeyError("the issuer's keys are not known yet, or have become too old")
        principal = self._policy.read(token, memory.keys, now, thumbprint)
        # Only now, so that only valid tokens cause a fetch.
        if source is not None and not memory.is_fresh(now):
            source.refresh_if_due(now)
        if self._cache_size:
            with self._lock:
                memory.remember(token, principal, leeway=self.leeway, size=self._cache_size)
        return principal

    def _notice_fork(self) -> None:
        """Start over in a process forked in C, which Python's own hook does not notice; before any lock."""
        if self._process != os.getpid():
            self.after_fork()

    def after_fork(self) -> None:
        """Start over in a forked process: the threads and the holders of its locks are in the parent."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self.dpop.after_fork()
        if self._source is not None:
            self._source.after_fork()
        for follower in self._followers:
            follower.after_fork()

    # ── keys ──

    def _is_usable_meanwhile(self, now: float) -> bool:
        """Refresh stale keys in the background, and return whether they may still verify until then."""
        source = cast("KeySource", self._source)  # given keys are always fresh
        source.refresh_if_due(now)
        return source.issuer.is_usable(now)

    def _flights(self, token: str, refusal: UnknownKeyError) -> Iterator[futures.Future[None]]:
        """Yield each refresh worth waiting for: at most one already in progress, and one of our own."""
        if self._source is not None or self._memory.refused:
            self._refuse_hopeless(token)
        if self._source is None:
            raise refusal
        since = self._source.started
        for _ in range(2):
            flight = self._source.look_for_unknown(self.clock(), since=since)
            if flight is None:
                return
            yield flight

    def _refuse_hopeless(self, token: str) -> None:
        """Refuse a token that no key could verify, before fetching anything for it."""
        seen = jwt.peek(token)
        if seen.headers.get("kid") in self._memory.refused:
            raise RevokedError("the token's key has been revoked")
        if self._source is not None:
            self._policy.refuse_hopeless(seen)

    def _adopt(self) -> None:
        """Use new keys from now on, with an empty token cache."""
        follower, source = self._follower, self._source
        refused: frozenset[str] = frozenset()
        if follower is not None:
            follower.learn_offer()
            refused = follower.kids
        with self._lock:  # both background threads call this
            before = self._memory
            if source is None:
                self._memory = Memory(before.published, -math.inf, math.inf, refused=refused, before=before)
            elif source.issuer.fetched_at is not None:
                issuer, at = source.issuer, source.issuer.fetched_at
                self._memory = Memory(issuer.keys, at, issuer.fresh_until, refused=refused, before=before)

    def _verdict(self, refusal: UnknownKeyError) -> JoseError:
        """Distinguish an unknown key from one that could not be fetched."""
        issuer, now = cast("KeySource", self._source).issuer, self.clock()
        if issuer.failure is None and issuer.is_usable(now):
            self._tell_once(str(refusal))
            return refusal
        return IssuerUnavailableError(
            f"cannot fetch the keys of {issuer.url}", retry_after=max(1, math.ceil(issuer.retry_after(now)))
        )

    def _tell_once(self, reason: str) -> None:
        """Log why there is no key for a token, each reason once: the policy may be wrong, not the token."""
        if reason not in self._told and len(self._told) < _REASONS_TOLD:
            self._told.add(reason)
            _log.warning("a token of %s was refused: %s", self.issuer, reason)


class AnyOf:
    """Verifies the tokens of several issuers. The unverified `iss` chooses the verifier, which then verifies it.

    Attributes:
        issuers: All of them.
        clock: The first one's.
        dpop: The first one's, for what challenges say; each verifier goes by its own.
    """

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        """Combine the verifiers.

        Raises:
            InvalidPolicyError: There is none, or two are for the same issuer.
        """
        self._by_issuer = {verifier.issuer: verifier for verifier in verifiers}
        if not verifiers or len(self._by_issuer) != len(verifiers):
            raise InvalidPolicyError("any_of takes verifiers, at most one for an issuer")
        self._verifiers = tuple(verifiers)
        self.issuers = tuple(self._by_issuer)
        self.clock = verifiers[0].clock
        self.dpop = verifiers[0].dpop

    def start(self, seconds: float = FETCH_SECONDS) -> dict[str, Health]:
        """Fetch the keys of every issuer, and what has been revoked, before the first token comes.

        Args:
            seconds: How long to wait for all of them at most.
        """
        ends = time.monotonic() + seconds
        for verifier in self._verifiers:
            verifier.start(0)  # start all before waiting for any
        return {each.issuer: each.start(max(0.0, ends - time.monotonic())) for each in self._verifiers}

    async def astart(self, seconds: float = FETCH_SECONDS) -> dict[str, Health]:
        """Do as `start` does, without blocking the asyncio event loop.

        Args:
            seconds: How long to wait for all of them at most.
        """
        return dict(
            zip(self.issuers, await asyncio.gather(*(each.astart(seconds) for each in self._verifiers)), strict=True)
        )

    def of(self, issuer: str) -> Verifier:
        """Return the verifier of one issuer.

        Raises:
            InvalidPolicyError: It is none of them.
        """
        try:
            return self._by_issuer[issuer]
        except KeyError:
            raise InvalidPolicyError("this is not one of the expected issuers") from None

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token as `Verifier.verify` does; one of another issuer is refused as `wrong_issuer`."""
        principal = self._remembered(token) if dpop is None else None
        return wait(self.verified(token, dpop)) if principal is None else principal

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token as `Verifier.averify` does."""
        principal = self._remembered(token) if dpop is None else None
        return await await_(self.verified(token, dpop)) if principal is None else principal

    def verified(self, token: str, dpop: DPoP | None) -> Generator[Wait, None, Principal]:
        """Verify, yielding what to wait for, as `Verifier.verified` does."""
        # `iss` is not verified yet: the token must then prove to be this issuer's.
        claimed = jwt.peek(token).claims.get("iss")
        verifier = self._by_issuer.get(claimed) if isinstance(claimed, str) else None
        if verifier is None:
            raise WrongIssuerError("iss is not one of the expected issuers", claim="iss")
        return verifier.verified(token, dpop)

    def _remembered(self, token: str) -> Principal | None:
        if not isinstance(cast("object", token), str):
            raise MalformedError("a token is a str")
        for verifier in self._verifiers:
            principal = verifier.remembered(token)
            if principal is not None:
                return principal
        return None

    def health(self) -> dict[str, Health]:
        """For each issuer, how up to date its keys and revocations are."""
        return {verifier.issuer: verifier.health() for verifier in self._verifiers}

    def close(self) -> None:
        """Stop following what the issuers revoke."""
        for verifier in self._verifiers:
            verifier.close()

    def __repr__(self) -> str:
        return f"Verifier.any_of({', '.join(map(repr, self._verifiers))})"


_verifiers: weakref.WeakSet[Verifier] = weakref.WeakSet()


def _after_fork() -> None:
    for verifier in list(_verifiers):
        verifier.after_fork()


def _at_exit() -> None:
    """Stop the threads before the interpreter ends."""
    for verifier in list(_verifiers):
        verifier.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    found = method()
    if found is not None:
        found()


def _nothing() -> None:
    """A bridge that withdraws its own keys changes nothing about those of tokens."""


def _keys_of_tokens(keys: Key | KeySet | None) -> Key | KeySet | None:
    """The given keys without those that are marked as signing revocations only, as of fetched ones (ADR 0046).

    Raises:
        InvalidPolicyError: They are no keys, or the one key is marked.
    """
    if isinstance(keys, KeySet):
        return published_keys.of_tokens(keys)
    if keys is not None and not isinstance(cast("object", keys), Key):
        raise InvalidPolicyError("keys is a Key or a KeySet")
    if keys is not None and keys.signs == published_keys.REVOCATIONS:
        raise InvalidPolicyError("this key signs revocations, and no token")
    return keys
