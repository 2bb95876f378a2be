"""Fetching an issuer's keys; `follow.py` uses the same client for what the issuer has revoked.

A refresh runs in a thread of its own, which starts when keys are needed and ends with the answer. So no event loop
ever waits for it or for the parsing of what comes, a caller that is cancelled takes nobody's answer away, and one
refresh serves threads and tasks alike: they wait for the same future.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import ssl
import threading
import time
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gatepass.jose.errors import InvalidPolicyError

from .issuer import Fetched, FetchError, is_loopback, whole_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping

    from httpx import AsyncClient, Response

    from .issuer import Issuer, Published

    Fetch: TypeAlias = Callable[[str], Fetched | Awaitable[Fetched]]
    """url -> answer. It may block or be async, and raises whatever it likes when there is no answer."""

FETCH_SECONDS = 5.0
"""For a whole refresh: metadata and keys, from the first name look-up to the last octet."""

MAX_BYTES = 512 * 1024
"""What one answer may hold."""

EVENT_STREAM = "text/event-stream"

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "gatepass"}

_HTTP_OK = 200
_HTTP_NOT_MODIFIED = 304

_MAX_KEPT = 4
_MAX_KEPT_BYTES = 65536
"""Answers that are kept for `If-None-Match`, and how long one may be: metadata and keys."""

_log = logging.getLogger(__name__)


class Post(NamedTuple):
    """A form to send.

    Attributes:
        url: Where to.
        form: Its members; they may be secret.
        headers: More headers; they may be secret.
    """

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Post({self.url!r})"


class KeySource:
    """Keeps an `Issuer` supplied: one refresh at a time, in the background unless somebody has to wait for it.

    Attributes:
        issuer: What is known so far.
        started: How many refreshes have begun.
    """

    def __init__(
        self, issuer: Issuer, fetch: Fetch, *, clock: Callable[[], float], on_learned: Callable[[], None]
    ) -> None:
        """Supply an issuer.

        Args:
            issuer: The issuer.
            fetch: How to get a URL.
            clock: The time, in seconds since 1970.
            on_learned: Called, in the refreshing thread, after new keys or a new term for them are known.
        """
        self.issuer = issuer
        self.started = 0
        self._fetch = fetch
        self._clock = clock
        self._on_learned = on_learned
        self._lock = threading.Lock()
        self._flight: Future[None] | None = None
        self._flight_ends = 0.0
        self._landed = 0

    def refresh_if_due(self, now: float) -> None:
        """Begin a refresh if it is time for one; nobody waits for it."""
        if not self.issuer.is_due(now):
            return  # without the lock, since every request comes by here during an outage
        with self._lock:
            if not self._is_flying() and self.issuer.is_due(now):
                self._start(now)

    def look_for_unknown(self, now: float, *, since: int) -> Future[None] | None:
        """Return a refresh that may bring a key nobody knows, or None if waiting is of no use.

        Args:
            now: The time, in seconds since 1970.
            since: `started` when the token came: what a later refresh did not bring, another will not bring.
        """
        with self._lock:
            if self._is_flying():
                return self._flight
            if self._landed > since:
                return None
            if self.issuer.is_due(now) or (self.issuer.failure is None and self.issuer.may_ask(now)):
                return self._start(now)
            return None

    def look_again(self, now: float) -> Future[None] | None:
        """Return a refresh that may bring the key of a document that came from the issuer itself.

        Strangers cannot cause these, so they do not share the tokens' allowance.
        """
        with self._lock:
            if self._is_flying():
                return self._flight
            return self._start(now) if self.issuer.failure is None or self.issuer.is_due(now) else None

    def after_fork(self) -> None:
        """Let go of a lock that nobody in this process will release, and of a refresh that nobody will end."""
        self._lock = threading.Lock()
        self._flight = None

    def _is_flying(self) -> bool:
        """A refresh that is long past its deadline is lost: its thread hangs in a user's fetch, or ended in a fork."""
        return self._flight is not None and not self._flight.done() and time.monotonic() < self._flight_ends

    def _start(self, now: float) -> Future[None]:
        flight: Future[None] = Future()
        flight.set_running_or_notify_cancel()  # from here on no waiter can cancel it
        self.started += 1
        self._flight, self._flight_ends = flight, time.monotonic() + FETCH_SECONDS + 1
        try:
            threading.Thread(
                target=self._fly, args=(flight, self.started, now), name="gatepass-keys", daemon=True
            ).start()
        except RuntimeError:
            self._keep("no thread can be started", began=now)
            flight.set_result(None)
        return flight

    def _fly(self, flight: Future[None], number: int, began: float) -> None:
        """The refreshing thread."""

        async def fly() -> None:
            # Not after asyncio.run, which waits for a name look-up that nobody can cancel.
            self._land(flight, number, began, await self._outcome(began))

        try:
            asyncio.run(fly())
        except OSError as error:
            self._land(flight, number, began, f"no event loop can be made: {error.strerror}")

    def _land(self, flight: Future[None], number: int, began: float, outcome: Published | str) -> None:
        if flight.done():
            return  # it was only the event loop's end that went wrong
        with self._lock:
            is_current = flight is self._flight
            if is_current:
                self._landed = number
                self._keep(outcome, began=began)
        if is_current and not isinstance(outcome, str):
            self._on_learned()
        flight.set_result(None)

    async def _outcome(self, began: float) -> Published | str:
        """What the issuer publishes, or why we could not learn it."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await follow(self.issuer.refresh(began), self._get)
        except FetchError as error:
            return str(error)
        except TimeoutError:
            return f"no whole answer within {FETCH_SECONDS:g} seconds"
        except Exception as error:  # noqa: BLE001 - a user's fetch may raise anything, and tokens must get an answer
            return f"the fetch raised {type(error).__name__}"

    def _keep(self, outcome: Published | str, *, began: float) -> None:
        if not isinstance(outcome, str):
            self.issuer.learn(outcome, began)
            return
        self.issuer.fail(outcome, self._clock())
        _log.warning("cannot fetch the keys of %s: %s", self.issuer.url, outcome)

    async def _get(self, url: str) -> Fetched:
        answer = self._fetch(url)
        return await answer if inspect.isawaitable(answer) else answer


async def follow(flow: Generator[str, Fetched, Published], get: Callable[[str], Awaitable[Fetched]]) -> Published:
    """Get what the flow asks for until it returns."""
    try:
        answer = await get(next(flow))
        while True:
            answer = await get(flow.send(answer))
    except StopIteration as stop:
        published: Published = stop.value
        return published


class HttpxFetch:
    """Gets a URL with httpx: no redirects, a bounded and uncompressed answer, TLS checked.

    The proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) are used.
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        proxy: str | None = None,
        max_bytes: int = MAX_BYTES,
        keep_alive: bool = False,
    ) -> None:
        """Prepare to fetch.

        Args:
            ca_file: A PEM file of the only certificate authorities to trust, in place of the public ones.
            proxy: The URL of a proxy to go through, in place of the environment's.
            max_bytes: What one answer may hold.
            keep_alive: Keep connections open for the next request; all requests are then made in one event loop.

        Raises:
            InvalidPolicyError: httpx is not installed, the file cannot be read, or the proxy is no URL of HTTP.
        """
        if find_spec("httpx") is None:
            raise InvalidPolicyError(
                "fetching keys needs httpx: pip install 'gatepass[verify]', or pass keys= or fetch="
            )
        if proxy is not None and not proxy.startswith(("http://", "https://")):
            raise InvalidPolicyError("proxy is a URL that begins with http:// or https://")
        self._max_bytes = max_bytes
        self._keep_alive = keep_alive
        self._proxy = proxy
        self._known: dict[str, Fetched] = {}
        self._kept: tuple[asyncio.AbstractEventLoop, AsyncClient] | None = None
        try:
            self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        except OSError as error:
            raise InvalidPolicyError(f"ca_file cannot be read: {error.strerror}") from None

    async def __call__(self, url: str) -> Fetched:
        """Get a URL.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        known = self._known.get(url)
        headers = {} if known is None else {"If-None-Match": known.headers["etag"]}
        async with self._ask(url, "application/json, */*", FETCH_SECONDS, headers) as answer:
            fetched = await self._read(url, answer)
        if known is not None and fetched.status == _HTTP_NOT_MODIFIED:
            # RFC 9111 §4.3.4: what it says of freshness counts from now on.
            return Fetched(known.status, {**known.headers, **fetched.headers}, known.body)
        self._keep(url, fetched)
        return fetched

    def _keep(self, url: str, fetched: Fetched) -> None:
        """Remember what need not be sent again: a few documents, none of them large."""
        self._known.pop(url, None)
        if fetched.status == _HTTP_OK and "etag" in fetched.headers and len(fetched.body) <= _MAX_KEPT_BYTES:
            self._known[url] = fetched
            if len(self._known) > _MAX_KEPT:
                del self._known[next(iter(self._known))]

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        if self._kept is not None:
            await self._kept[1].aclose()
            self._kept = None

    async def get(self, url: str, headers: Mapping[str, str]) -> Fetched:
        """Get a URL with headers that may be secret; nothing of it is kept.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        async with self._ask(url, "application/json", FETCH_SECONDS, headers) as answer:
            return await self._read(url, answer)

    async def post(self, post: Post) -> Fetched:
        """Send a form.

        Raises:
            FetchError: There is no answer, or one that we do not want to read.
        """
        async with self._ask(post.url, "application/json", FETCH_SECONDS, post.headers, post.form) as answer:
            return await self._read(post.url, answer)

    async def _read(self, url: str, answer: Response) -> Fetched:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > self._max_bytes:
                raise FetchError(f"{url} answered with more than {self._max_bytes} bytes")
        return Fetched(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, bytes(body))

    @asynccontextmanager
    async def listen(self, url: str, last_event_id: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Open a stream of server-sent events that goes on after an event; how long it may be silent is the caller's.

        Raises:
            FetchError: There is no stream, or it broke.
        """
        async with self._ask(url, EVENT_STREAM, None, {"Last-Event-ID": last_event_id}) as answer:
            if answer.status_code != _HTTP_OK:
                raise FetchError(
                    f"{url} answered {answer.status_code}",
                    retry_after=whole_seconds(answer.headers.get("retry-after", "")) or 0,
                )
            if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != EVENT_STREAM:
                raise FetchError(f"{url} is no {EVENT_STREAM}")
            yield answer.aiter_raw()

    @asynccontextmanager
    async def _ask(
        self,
        url: str,
        accept: str,
        seconds: float | None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Response]:
        import httpx  # noqa: PLC0415 - an extra, and slow to import: only who fetches pays for it

        wanted = {**_HEADERS, "Accept": accept, **(headers or {})}
        method = "GET" if form is None else "POST"
        try:
            async with (
                self._client(url) as client,
                client.stream(method, url, data=form, headers=wanted, timeout=seconds) as answer,
            ):
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise FetchError(f"{url} answered with a compressed body, which was not asked for")
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchError(f"{url}: {type(error).__name__}: {error}") from None

    @asynccontextmanager
    async def _client(self, url: str) -> AsyncGenerator[AsyncClient]:
        """Give a client of httpx: a new one, or the one that is kept for this event loop."""
        import httpx  # noqa: PLC0415 - as above

        loop = asyncio.get_running_loop()
        if self._kept is not None and self._kept[0] is loop:
            yield self._kept[1]
            return
        # Made once: reading the public authorities holds every thread up for some 20 ms.
        self._context = self._context or httpx.create_ssl_context()
        # On loopback no proxy is asked, whatever the environment says: plain text must not leave this machine.
        is_local = is_loopback(url)
        proxy = None if is_local else self._proxy
        client = httpx.AsyncClient(verify=self._context, proxy=proxy, trust_env=proxy is None and not is_local)
        if self._keep_alive:
            self._kept = loop, client
            yield client
            return
        async with client:
            yield client
