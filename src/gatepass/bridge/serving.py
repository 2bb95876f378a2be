"""Receiving and publishing, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from gatepass.bridge.app import BridgeApp
from gatepass.bridge.feed import BridgeFeed
from gatepass.bridge.polling import Polling
from gatepass.bridge.receiving import Receiver
from gatepass.bridge.shares import Shares
from gatepass.bridge.signing_key import signing_key
from gatepass.bridge.store import BridgeStore
from gatepass.bridge.transmitter import Transmitter
from gatepass.fanout.open_files import raise_file_limit
from gatepass.jose import KeySet
from gatepass.tokens.heartbeat import INTERVAL_SECONDS
from gatepass.verify.clocks import wall_clock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from starlette.applications import Starlette

    from gatepass.bridge.settings import BridgeSettings
    from gatepass.tokens.bridge_entry import FeedSecret

_log = logging.getLogger(__name__)

_BACKLOG = 2048
_READ_SECONDS = 1.0
"""How long a heartbeat waits for the store; without an answer it says how old what it knows is."""
_FORGET_SECONDS = 60.0
_KEEP_ALIVE_SECONDS = 20
_IDLE_SECONDS = 20.0
"""How long a head may take, from the first octet to the last."""
_SWEEP_SECONDS = 1.0
_MOST_HEADER_BYTES = 32_768
_MOST_CONNECTIONS = 10_000
_DRAIN_SECONDS = 5
_POLL_SECONDS = 0.01


class Bridge:
    """The parts of a bridge that runs.

    Attributes:
        app: What it answers.
        feed: What it publishes.
    """

    def __init__(self, app: Starlette, feed: BridgeFeed) -> None:
        self.app = app
        self.feed = feed


@asynccontextmanager
async def open_bridge(
    settings: BridgeSettings, secret: FeedSecret, *, clock: Callable[[], float] = wall_clock
) -> AsyncGenerator[Bridge]:
    """Open the store, and poll and publish meanwhile.

    Raises:
        BridgeSettingsError: A file is wrong, or another process has the store.
        OSError: The folder cannot be used.
    """
    folder = Path(settings.data_dir)
    store = BridgeStore(folder, secret)
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        key = signing_key(folder)
        feed = BridgeFeed(settings.issuer, key, await store.entries(), clock=clock)
        stack.callback(feed.readers.close)
        transmitters = {
            each.name: Transmitter(each, clock=clock, allow_http=settings.allow_http_in_development)
            for each in settings.transmitters
        }
        shares = Shares(settings.shares(), await store.owners())
        receiver = Receiver(store, feed, shares, secret, clock=clock)
        polls = [Polling(each, receiver) for each in transmitters.values() if each.settings.kind == "ssf-poll"]
        work: list[Coroutine[None, None, None]] = [_beat(store, feed), _forget(store, feed, shares, clock)]
        work += [each.run() for each in polls]
        tasks = [asyncio.create_task(each) for each in work]
        stack.push_async_callback(_end, tasks)
        app = BridgeApp(
            settings.issuer,
            KeySet([key.public()]),
            secret,
            feed=feed,
            shares=shares,
            receiver=receiver,
            transmitters=transmitters,
        )
        yield Bridge(app.starlette(), feed)


async def serve(
    settings: BridgeSettings,
    secret: FeedSecret,
    *,
    on_ready: Callable[[str], None],
    clock: Callable[[], float] = wall_clock,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: The settings.
        secret: What it shares with its readers.
        on_ready: Told where it listens, as a URL.
        clock: The time, in seconds since 1970.
        stop: Ends it when set; then no signal handlers are installed.

    Raises:
        BridgeSettingsError: As `open_bridge`.
        OSError: The port is taken, or a file cannot be read.
    """
    raise_file_limit()
    loop = asyncio.get_running_loop()
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    async with open_bridge(settings, secret, clock=clock) as bridge:
        listening = await loop.run_in_executor(None, _listen, settings)
        port = listening.getsockname()[1]
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        server = _BridgeServer(_configuration(settings, bridge.app))
        stopping = loop.create_task(_stop(server, bridge.feed, stop))
        sweeping = loop.create_task(_sweep(server))
        announcing = loop.create_task(
            _announce(server, lambda: on_ready(f"{'https' if settings.tls_cert else 'http'}://{host}:{port}"))
        )
        try:
            await server.serve([listening])
        finally:
            await _end([stopping, sweeping, announcing])


def _listen(settings: BridgeSettings) -> socket.socket:
    """Bind the port.

    Raises:
        OSError: It is taken.
    """
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=_BACKLOG)


async def _stop(server: uvicorn.Server, feed: BridgeFeed, stop: asyncio.Event) -> None:
    await stop.wait()
    feed.readers.close()  # streams would last until they are cut off
    server.should_exit = True


def _configuration(settings: BridgeSettings, app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        http="h11",  # it bounds what a request's head may hold
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )


class _BridgeServer(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process before the store is closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to `serve`."""
        yield


async def _sweep(server: uvicorn.Server) -> None:
    """Close connections whose next request does not come to its end: uvicorn waits as long as there is one octet."""
    waiting: dict[Any, tuple[object, float]] = {}
    while True:
        now = time.monotonic()
        before, waiting = waiting, {}
        for connection in cast("set[Any]", server.server_state.connections):
            cycle = connection.cycle
            if cycle is None or cycle.response_complete:
                last, since = before.get(connection, (cycle, now))
                waiting[connection] = (cycle, since if last is cycle else now)
        for connection, (_, since) in waiting.items():
            if now - since > _IDLE_SECONDS and not connection.transport.get_write_buffer_size():
                connection.transport.close()
        await asyncio.sleep(_SWEEP_SECONDS)


async def _announce(server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(_POLL_SECONDS)
    on_ready()


async def _beat(store: BridgeStore, feed: BridgeFeed) -> None:
    """Send a heartbeat every 2 seconds, whether or not the store answers."""
    reading: asyncio.Task[bool] | None = None
    while True:
        if reading is None:
            reading = asyncio.create_task(store.is_there())
        await asyncio.wait((reading,), timeout=_READ_SECONDS)
        if reading.done():
            if reading.result():
                feed.was_read()
            reading = None
        feed.beat()
        await asyncio.sleep(INTERVAL_SECONDS)


async def _forget(store: BridgeStore, feed: BridgeFeed, shares: Shares, clock: Callable[[], float]) -> None:
    """Drop what has no effect any more, now and then."""
    while True:
        now = clock()
        feed.forget_ended(now)
        shares.keep(feed.entries)
        try:
            await store.forget_ended(now)
        except sqlite3.Error as error:
            _log.warning("what has ended cannot be deleted now: %s", error)
        await asyncio.sleep(_FORGET_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
