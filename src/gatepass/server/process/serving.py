"""Serving: the sockets, uvicorn with our HTTP edge, and a graceful shutdown."""

from __future__ import annotations

import asyncio
import errno
import secrets
import signal
import socket
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import structlog
import uvicorn

from gatepass.fanout.open_files import raise_file_limit
from gatepass.server.app import open_server
from gatepass.server.base.errors import StartupError
from gatepass.server.web.connections import most_connections
from gatepass.server.web.edge import EdgeProtocol, sweep_slow_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.server import Server

log = structlog.get_logger("gatepass")

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 20
_OUTBOX_KEY_BYTES = 16
_ADDRESS_IS_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""IPv6 is often in /etc/hosts but not available; one address of the host is enough."""


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers, which end the process before the store is closed."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals to `serve`."""
        yield


async def serve(  # noqa: PLR0913 - what a test or a parent process may hand over
    settings: Settings,
    *,
    on_ready: Callable[[Settings], None] = lambda _: None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
    outside_keys: Sequence[OutsideKey] = (),
    sockets: list[socket.socket] | None = None,
    lifeline: int | None = None,
    shared: Path | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`, then finish the requests in progress.

    At SIGTERM the server first reports that it is not ready, and continues for `drain_seconds`.

    Args:
        settings: port 0 takes a free port.
        on_ready: called with the settings in force once requests are answered.
        stop: ends serving when set; then no signal handlers are installed, as for a server in a thread.
        clock: another time than the database's, for tests.
        outside_keys: signing keys held elsewhere, the newest last; see `open_server`.
        sockets: bound already, by a parent that has other workers behind them too.
        lifeline: a pipe that ends when that parent does.
        shared: see `open_server`.

    Raises:
        StartupError: when the address is taken, or as `open_server`.
    """
    sockets = sockets or listen(settings.host, settings.port)
    try:
        settings = started(settings, sockets)
        most = most_connections(settings, raise_file_limit())
        if most < settings.max_connections:
            log.warning("the limit of open files allows fewer connections than `max_connections`", connections=most)
        async with open_server(
            settings, clock, outside_keys=outside_keys, most_connections=most, shared=shared
        ) as server:
            uvicorn_server = _Uvicorn(_configuration(settings, server))
            tasks = [
                asyncio.create_task(sweep_slow_requests(uvicorn_server, settings.request_seconds)),
                asyncio.create_task(_stop(uvicorn_server, server, stop, lifeline)),
                asyncio.create_task(_announce(uvicorn_server, server, lambda: on_ready(settings))),
            ]
            try:
                await uvicorn_server.serve(sockets)
            finally:
                for task in tasks:
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
    finally:
        for each in sockets:
            each.close()


def started(settings: Settings, sockets: list[socket.socket]) -> Settings:
    """The settings in use: with the port that was taken, and a key for the outbox."""
    key = settings.outbox_key or secrets.token_urlsafe(_OUTBOX_KEY_BYTES)
    return msgspec.structs.replace(settings, port=sockets[0].getsockname()[1], outbox_key=key)


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind every address of the host, one socket each, on the same port.

    Raises:
        StartupError: when the port is taken, or not ours to take.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartupError(f"There is no address {host}.", "Give --host a name or address of this machine.") from error
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in sorted(set(found)):
        bound = socket.socket(family, kind, protocol)
        try:
            _bind(bound, (address[0], sockets[0].getsockname()[1] if sockets else port))
        except OSError as error:
            bound.close()
            failure = error
            if error.errno not in _ADDRESS_IS_NOT_HERE:
                break
        else:
            sockets.append(bound)
    if not sockets or (failure and failure.errno not in _ADDRESS_IS_NOT_HERE):
        for bound in sockets:
            bound.close()
        raise StartupError(
            f"Cannot listen on {host}:{port}: {failure.strerror if failure else 'no address'}.",
            "Stop the program that uses the port, or choose another --port.",
        )
    return sockets


def _bind(bound: socket.socket, address: tuple[str | int, int]) -> None:
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.bind(address)
    bound.listen(_BACKLOG)
    bound.setblocking(False)  # noqa: FBT003 - the socket API's own


def _configuration(settings: Settings, server: Server) -> uvicorn.Config:
    return uvicorn.Config(
        server.application(),
        http=partial(EdgeProtocol, room=server.core.connections),  # type: ignore[arg-type] # called as the class is
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
        ssl_certfile=settings.tls_cert or None,
        ssl_keyfile=settings.tls_key or None,
    )


async def _stop(
    uvicorn_server: uvicorn.Server, server: Server, stop: asyncio.Event | None, lifeline: int | None
) -> None:
    """Stop uvicorn on a signal or when told; streams, which never end on their own, end first."""
    is_patient = stop is None
    if stop is None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if lifeline is not None:
            loop.add_reader(lifeline, stop.set)
    await stop.wait()
    if lifeline is not None:
        asyncio.get_running_loop().remove_reader(lifeline)
    server.core.lifecycle.is_draining = True
    if is_patient:
        await asyncio.sleep(server.core.settings.drain_seconds)
    server.drain()
    uvicorn_server.should_exit = True


async def _announce(uvicorn_server: uvicorn.Server, server: Server, tell: Callable[[], None]) -> None:
    while not uvicorn_server.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0.005)
    server.core.lifecycle.is_listening = True
    tell()
