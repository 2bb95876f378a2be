"""Following an issuer's revocations in a background thread: the I/O around `following`.

The thread starts with the first token and ends with the verifier, or at once if the issuer offers nothing to follow. It
runs its own event loop, so the application's never waits for it, nor for parsing what it receives.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from gatepass.jose.errors import JoseError, UnknownKeyError
from gatepass.tokens.heartbeat import SILENCE_SECONDS

from . import http_client
from .clocks import Moment, running_clock
from .following.document import MissingError, token_in
from .following.sleep import Sleep
from .following.sse import MessageTooLongError, Parser
from .following.stream import EventMessage, Greeting, HeartbeatMessage, LostError, Resync, ResyncError, said
from .issuer import FetchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from gatepass.jose import KeySet
    from gatepass.tokens.revocation_event import RevocationEvent

    from .fetch import KeySource
    from .following.documents import ReadList, ReadSnapshot, Want
    from .following.health import Health
    from .following.revocations import Revocations
    from .following.stream import Said, StreamConnection
    from .http_client import Fetch
    from .principal import Principal
    from .waiting import Wait

    Listen: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[AsyncIterator[bytes]]]
    """(url, last event id) -> the bytes of a stream of server-sent events."""

FIRST_SECONDS = 2.0
"""How long a token waits for a document that was never fetched before."""

TICK_SECONDS = 0.25
"""How often the thread checks whether something is due."""

MAX_FLIGHTS = 16
"""How many documents are fetched concurrently."""

_KEYS_SECONDS = 3600

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Passing(Protocol):
    """Passes on what a follower has accepted, as it came: a relay."""

    def document(self, want: Want, token: str, read: ReadList | ReadSnapshot) -> None:
        """A document has come."""

    def event(self, token: str, event: RevocationEvent) -> None:
        """An event has come, perhaps again."""

    def heartbeat(self, token: str) -> None:
        """A heartbeat has come."""


class Follower:
    """Keeps a `Revocations` up to date.

    Attributes:
        revocations: What is known so far.
        verdict: Whether a token passes, by that.
    """

    def __init__(  # noqa: PLR0913 - each is named where it is called
        self,
        revocations: Revocations,
        *,
        source: KeySource,
        fetch: Fetch,
        listen: Listen | None,
        close: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float],
        running: Callable[[], float] = running_clock,
        on_keys_refused: Callable[[], None],
        passing: Passing | None = None,
    ) -> None:
        """Follow an issuer, once `settle` asks for it.

        Args:
            revocations: What to supply.
            source: The issuer's keys, which sign the documents.
            fetch: How to get a document.
            listen: How to listen to a stream; None: it cannot.
            close: How to let go of connections that are kept for documents.
            clock: The time, in seconds since 1970.
            running: The clock that only runs, in seconds.
            on_keys_refused: Called, in this thread, after keys have been revoked.
            passing: Told, in this thread, of all that was accepted.
        """
        self.revocations = revocations
        self.verdict = revocations.verdict
        self._documents = revocations.documents
        self._stream = revocations.stream
        self._source = source
        self._fetch = fetch
        self._listen = listen
        self._close = close
        self._clock = clock
        self._running = running
        self._on_keys_refused = on_keys_refused
        self._passing = passing
        self._is_closed = False
        self._asked: dict[str, float] = {}
        self._awaited: dict[str, Future[None]] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._news = _future()
        self._sleep = Sleep()

    @property
    def now(self) -> Moment:
        """The time by both clocks."""
        return Moment(self._clock(), self._running())

    @property
    def kids(self) -> frozenset[str]:
        """Keys that are revoked."""
        return self.revocations.known.names.kids

    # ── called by verifying threads ──

    def settle(self, principal: Principal) -> Iterator[Wait]:
        """Yield what to wait for, until a token can be judged."""
        while True:
            with self._lock:
                now = self.now
                missing = self._documents.missing(principal, now)
                self._sleep.note(now)
                news = self._news if missing is None else self._awaited.setdefault(missing, _future())
                runs = self._is_closed or self._runs()
            if self._is_closed or not runs:
                return
            seconds = self._sleep.seconds_to_wait(now) if missing is None else self._seconds_for(missing)
            if seconds <= 0:
                return
            self.wake()
            yield news, seconds

    def _seconds_for(self, url: str) -> float:
        """Return how long a token may still wait for a document that was never there before."""
        asked = self._asked.setdefault(url, time.monotonic())
        return asked + FIRST_SECONDS - time.monotonic()

    def prefetch(self, seconds: float) -> Iterator[Wait]:
        """Start, and yield what to wait for until the first attempts have ended.

        Args:
            seconds: How long to wait at most.
        """
        ends = time.monotonic() + seconds
        while True:
            with self._lock:
                has_settled = self._documents.has_settled or self._source.issuer.failure is not None
                news = self._news
                runs = not self._is_closed and self._runs()
            left = ends - time.monotonic()
            if has_settled or not runs or left <= 0:
                return
            self.wake()
            yield news, left

    def judge(self, principal: Principal) -> None:
        """Return if a token is accepted by the known revocations. Raises as `Verdict.judge`."""
        self.verdict.judge(principal, self.now)

    def health(self, *, keys_fresh: bool, keys_usable: bool) -> Health:
        """How up to date the revocations are."""
        with self._lock:
            return self.revocations.health(self.now, keys_fresh=keys_fresh, keys_usable=keys_usable)

    def learn_offer(self) -> None:
        """Apply the issuer's metadata, once it has been fetched."""
        issuer = self._source.issuer
        if issuer.fetched_at is None:
            return
        with self._lock:
            is_news = self._documents.learn_offer(issuer.offer)
            self.verdict.look(self.now)
        if is_news:
            self._tell(issuer.url)
            self.wake()

    def wake(self) -> None:
        """Wake the thread to check what is due."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(wake.set)

    def stop(self) -> None:
        """Tell the thread to stop, without waiting."""
        self._is_closed = True
        self.wake()

    def close(self, seconds: float) -> None:
        """Stop the thread.

        Args:
            seconds: How long to wait for its end.
        """
        self.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def after_fork(self) -> None:
        """Start over in a forked process, which has no such thread."""
        self._begin()
        self._asked.clear()
        self._flights.clear()
        self._source.after_fork()
        self.revocations.restart()

    def _runs(self) -> bool:
        """Make sure that the thread runs if there is something to do."""
        if self._thread is not None and self._thread.is_alive():
            return True
        if self.revocations.known.is_idle:
            return False
        self._thread = threading.Thread(target=self._run, name="gatepass-revocation", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            return False
        return True

    # ── the thread ──

    def _run(self) -> None:
        try:
            asyncio.run(self.run())
        except (OSError, RuntimeError) as error:
            _log.warning("cannot follow what %s revokes: %s", self._source.issuer.url, error)

    async def run(self) -> None:
        """Follow until `stop`, or until there is nothing to follow. A relay does so in its own event loop."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        connections: dict[StreamConnection, asyncio.Task[None]] = {}
        try:
            while not self._is_closed:
                self._keep_keys()
                url = self._look()
                connections = {connection: task for connection, task in connections.items() if not task.done()}
                self._hang_up(connections)
                if url is not None:
                    connection, task = self._dial(url)
                    connections[connection] = task
                if self._may_end():
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            tasks = [*self._flights.values(), *connections.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._close is not None:
                await self._close()

    def _keep_keys(self) -> None:
        """Fetch the keys if no token has caused that for an hour: a key that was withdrawn signs no document either."""
        wall, fetched_at = self._clock(), self._source.issuer.fetched_at
        if fetched_at is None or not 0 <= wall - fetched_at < _KEYS_SECONDS:
            self._source.refresh_if_due(wall)

    def _look(self) -> str | None:
        """Read the clocks and fetch what is due, each document once at a time; return where to listen, if due."""
        with self._lock:
            now = self.now
            self._sleep.note(now)
            if self._sleep.is_time_to_look(now, TICK_SECONDS):
                self.verdict.look(now, is_awake=self._sleep.looked(now))
            wants = list(self._documents.due(now))
            url = self._stream.due(now) if self._listen is not None else None
        for want in wants:
            if want.url not in self._flights and len(self._flights) < MAX_FLIGHTS:
                self._flights[want.url] = asyncio.create_task(self._bring(want))
        return url

    def _dial(self, url: str) -> tuple[StreamConnection, asyncio.Task[None]]:
        with self._lock:
            connection = self._stream.opened(self.now)
        return connection, asyncio.create_task(self._hear_out(url, connection))

    def _hang_up(self, connections: Mapping[StreamConnection, asyncio.Task[None]]) -> None:
        """Close connections that are dead or no longer needed."""
        with self._lock:
            now = self.now
            given_up = [task for connection, task in connections.items() if self._stream.is_given_up(connection, now)]
        for task in given_up:
            task.cancel()

    def _may_end(self) -> bool:
        with self._lock:
            if self._flights or not self.revocations.known.is_idle:
                return False
            self._thread = None  # under the lock: the next token that needs a thread starts another
            return True

    # ── documents ──

    async def _bring(self, want: Want) -> None:
        """Fetch a document, and apply it."""
        try:
            token, read = await self.obtain(want)
            self._learn(lambda: self._documents.learn(read, self.now))
            with self._lock:
                self._documents.doubt(want, self.now)
            if self._passing is not None:
                self._passing.document(want, token, read)
        except MissingError as error:
            self._fail(want, str(error), is_missing=want.relay is None)
        except FetchError as error:
            self._fail(want, str(error))
        except TimeoutError:
            self._fail(want, f"{want.place}: no whole answer within {http_client.FETCH_SECONDS:g} seconds")
        except JoseError as error:
            self._refuse(f"{want.place}: {error}")
            self._fail(want, f"{want.place} was refused: {error.code}: {error}")
        except Exception as error:  # noqa: BLE001 - a user's fetch may raise anything
            self._fail(want, f"{want.place}: the fetch raised {type(error).__name__}")
        finally:
            del self._flights[want.url]
            self._asked.pop(want.url, None)
            self._tell(want.url)
            if len(self._flights) <= MAX_FLIGHTS // 2:  # checking what is due costs more with more lists
                self.wake()

    async def obtain(self, want: Want) -> tuple[str, ReadList | ReadSnapshot]:
        """Fetch a document and check it, without applying it.

        Raises:
            FetchError: There is none.
            TimeoutError: It did not come in time.
            JoseError: It is refused.
        """
        async with asyncio.timeout(http_client.FETCH_SECONDS):
            token = token_in(want.place, await self._get(want.place))
        return token, await self._checked(lambda keys, now: self._documents.read(want, token, keys, now))

    async def _checked(self, check: Callable[[KeySet, float], T]) -> T:
        """Check a document with the issuer's keys, and once more with new keys if it names an unknown one."""
        try:
            return check(self._source.issuer.document_keys, self._clock())
        except UnknownKeyError:
            flight = self._source.look_again(self._clock())
            if flight is None:
                raise
            await asyncio.wrap_future(flight)
            return check(self._source.issuer.document_keys, self._clock())

    async def _get(self, url: str) -> Any:  # noqa: ANN401 - a user's fetch may return anything
        answer = self._fetch(url)
        return await answer if inspect.isawaitable(answer) else answer

    # ── the stream ──

    async def _hear_out(self, url: str, connection: StreamConnection) -> None:
        """Listen until the stream ends, breaks, is silent for too long, or does not continue from our position."""
        reason, retry_after, is_faulty = "it ended", 0.0, False
        try:
            await self._hear(url, connection)
        except FetchError as error:
            reason, retry_after = str(error), error.retry_after
        except asyncio.CancelledError:
            reason = f"it was silent for {SILENCE_SECONDS:g} seconds, or was replaced"
            raise
        except MessageTooLongError:
            reason = "a message has no end"
        except LostError as error:
            reason, is_faulty = str(error), not isinstance(error, ResyncError)
        except JoseError as error:
            is_faulty = True
            reason = f"a message was refused: {error.code}: {error}"
            self._refuse(reason)
            with self._lock:
                self._stream.hear_resync()
        finally:
            with self._lock:
                self._stream.closed(connection, self.now, retry_after=retry_after, is_faulty=is_faulty)
            self.wake()
            _log.info("the stream %s is closed: %s", url, reason)

    async def _hear(self, url: str, connection: StreamConnection) -> None:
        with self._lock:
            position = self.revocations.known.events.position
        if position is None or self._listen is None:
            return
        parser = Parser()
        async with self._listen(url, str(position)) as chunks:
            async for chunk in chunks:
                for message in parser.feed(chunk):  # bytes that never complete a message count as silence
                    await self._heed(connection, said(message))

    async def _heed(self, connection: StreamConnection, what: Said | None) -> None:
        match what:
            case EventMessage(token):
                event = await self._checked(lambda keys, now: self._stream.read_event(token, keys, now))
                self._learn(lambda: self._stream.hear_event(connection, event, self.now))
                if self._passing is not None:
                    self._passing.event(token, event)
            case Greeting(data):
                with self._lock:
                    self._stream.hear_greeting(connection, data, self.now)
                self.wake()  # the connection that it replaces is not needed any more
            case Resync():
                with self._lock:
                    raise self._stream.hear_resync()
            case HeartbeatMessage(beat):
                with self._lock:
                    self._stream.hear_comment(connection, self.now)
                if beat is not None:
                    await self._heed_heartbeat(beat)
            case None:
                pass

    async def _heed_heartbeat(self, token: str) -> None:
        beat = await self._checked(lambda keys, now: self._stream.read_heartbeat(token, keys, now))
        with self._lock:
            now = self.now
            self._stream.hear_heartbeat(beat, now)
            if self._stream.is_live(now):
                self._sleep.ended()
        if self._passing is not None:
            self._passing.heartbeat(token)
        self._tell()

    # ── telling ──

    def _learn(self, learn: Callable[[], None]) -> None:
        """Apply what was read, and tell the verifier about revoked keys."""
        kids = self.kids
        with self._lock:
            learn()
        if self.kids is not kids:
            self._on_keys_refused()
            self.wake()

    def _tell(self, url: str = "") -> None:
        """Wake callers that wait for a document, or for any news."""
        with self._lock:
            news, self._news = self._news, _future()
            landed = self._awaited.pop(url, None)
        news.set_result(None)
        if landed is not None:
            landed.set_result(None)

    def _refuse(self, reason: str) -> None:
        self.revocations.known.refusals += 1
        _log.warning("refused what %s says is revoked: %s", self._source.issuer.url, reason)

    def _fail(self, want: Want, reason: str, *, is_missing: bool = False) -> None:
        with self._lock:
            self._documents.fail(want, self.now, is_missing=is_missing)
        _log.warning("cannot learn what %s has revoked: %s", self._source.issuer.url, reason)


def _future() -> Future[None]:
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # from here on a waiting caller cannot cancel it
    return future
