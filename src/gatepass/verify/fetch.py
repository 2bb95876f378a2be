"""Fetching an issuer's keys.

A refresh runs in its own thread, which starts when keys are needed and ends with the answer. So event loops never wait
for it or for parsing the answer, a cancelled caller does not cancel it for others, and one refresh serves threads and
tasks alike: they wait for the same future. The thread has no event loop either: where gevent or eventlet turn it into a
greenlet, another loop may be running in the same thread.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from .http_client import FETCH_SECONDS, HttpxFetch
from .issuer import FetchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType
    from typing import Self

    from .http_client import Fetch
    from .issuer import Fetched, IssuerKeys, Published

_log = logging.getLogger(__name__)


class KeySource:
    """Keeps an issuer's keys up to date: one refresh at a time, in the background unless a token has to wait for it.

    Attributes:
        issuer: What is known so far.
        started: How many refreshes have begun.
    """

    def __init__(
        self, issuer: IssuerKeys, fetch: Fetch, *, clock: Callable[[], float], on_learned: Callable[[], None]
    ) -> None:
        """Keep an issuer's keys.

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
        """Start a refresh in the background if one is due."""
        if not self.issuer.is_due(now):
            return  # without the lock, because every request passes here during an outage
        with self._lock:
            if not self._is_flying() and self.issuer.is_due(now):
                self._start(now)

    def look_for_unknown(self, now: float, *, since: int) -> Future[None] | None:
        """Return a refresh that may bring an unknown key, or None if waiting would not help.

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
        """Return a refresh that may bring the key of a document, or None if it is too early for another.

        Documents have a limit of their own, so that tokens by strangers cannot keep us from a new key, and a relay that
        makes up documents cannot make us storm the issuer.
        """
        with self._lock:
            if self._is_flying():
                return self._flight
            is_time = self.issuer.failure is None or self.issuer.is_due(now)
            return self._start(now) if is_time and self.issuer.may_look_for_signer(now) else None

    def after_fork(self) -> None:
        """Start over in a process that forked: its lock and its refresh belong to the parent."""
        self._lock = threading.Lock()
        self._flight = None

    def _is_flying(self) -> bool:
        """Whether a refresh is in progress.

        One long past its deadline counts as lost: its thread hangs in a DNS lookup or a user's fetch, or ended in a
        fork.
        """
        return self._flight is not None and not self._flight.done() and time.monotonic() < self._flight_ends

    def _start(self, now: float) -> Future[None]:
        flight: Future[None] = Future()
        flight.set_running_or_notify_cancel()  # from here on a waiting caller cannot cancel it
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
        """The refreshing thread; it always completes the future."""
        with _Runner() as runner:
            self._land(flight, number, began, self._outcome(began, runner))

    def _land(self, flight: Future[None], number: int, began: float, outcome: Published | str) -> None:
        with self._lock:
            is_current = flight is self._flight
            if is_current:
                self._landed = number
                self._keep(outcome, began=began)
        if is_current and not isinstance(outcome, str):
            self._on_learned()
        flight.set_result(None)

    def _outcome(self, began: float, runner: _Runner) -> Published | str:
        """What the issuer publishes, or why that could not be fetched."""
        try:
            return follow_now(self.issuer.refresh(began), lambda url: self._get(url, runner))
        except FetchError as error:
            return str(error)
        except TimeoutError:
            return f"no whole answer within {FETCH_SECONDS:g} seconds"
        except BaseException as error:  # noqa: BLE001 - a user's fetch may raise anything, and tokens must get an answer
            return f"the fetch raised {type(error).__name__}"

    def _keep(self, outcome: Published | str, *, began: float) -> None:
        if not isinstance(outcome, str):
            before = self.issuer.keys.left_out
            self.issuer.learn(outcome, began)
            keys = self.issuer.keys
            if keys.left_out not in (None, before):
                level = logging.INFO if len(keys) else logging.WARNING
                _log.log(level, "%s: %s", self.issuer.url, keys.left_out)
            return
        self.issuer.fail(outcome, self._clock())
        _log.warning("cannot fetch the keys of %s: %s", self.issuer.url, outcome)

    def _get(self, url: str, runner: _Runner) -> Fetched:
        if isinstance(self._fetch, HttpxFetch):
            return self._fetch.get_now(url, runner.deadline)
        answer = self._fetch(url)
        return runner.run(answer) if inspect.isawaitable(answer) else answer


class _Runner:
    """The time that a refresh has, and an event loop if a user's fetch needs one.

    Attributes:
        deadline: When it is over, by `time.monotonic`.
    """

    def __init__(self) -> None:
        self.deadline = time.monotonic() + FETCH_SECONDS
        self._loops: asyncio.Runner | None = None

    def run(self, answer: Awaitable[Fetched]) -> Fetched:
        """Wait for an answer in an event loop, the same for all of a refresh."""

        async def bounded() -> Fetched:
            async with asyncio.timeout(self.deadline - time.monotonic()):
                return await answer

        self._loops = self._loops or asyncio.Runner()
        waiting = bounded()
        try:
            return self._loops.run(waiting)
        finally:  # without a loop, they were never awaited
            waiting.close()
            if inspect.iscoroutine(answer):
                answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the loop, which waits for a DNS lookup that cannot be cancelled; the future is complete by then."""
        if self._loops is not None:
            with suppress(OSError, RuntimeError):  # only closing the loop failed
                self._loops.close()


async def follow(flow: Generator[str, Fetched, Published], get: Callable[[str], Awaitable[Fetched]]) -> Published:
    """Get what the flow asks for until it returns."""
    try:
        answer = await get(next(flow))
        while True:
            answer = await get(flow.send(answer))
    except StopIteration as stop:
        published: Published = stop.value
        return published


def follow_now(flow: Generator[str, Fetched, Published], get: Callable[[str], Fetched]) -> Published:
    """Do as `follow` does, in a thread."""
    try:
        answer = get(next(flow))
        while True:
            answer = get(flow.send(answer))
    except StopIteration as stop:
        published: Published = stop.value
        return published
