"""Following and listening, until told to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
import ssl
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.fanout.open_files import raise_file_limit
from gatepass.relay.places import Places
from gatepass.relay.protocol import ReaderConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.relay.relaying import Relay

_MOST = 100_000
_OTHER_FILES = 64
_IDLE_SECONDS = 20.0
_HANDSHAKE_SECONDS = 10.0
"""How long a TLS handshake may take: until it ends, a connection has a file but no place."""
_SWEEP_SECONDS = 5.0
_BACKLOG = 2048
_START_POLL_SECONDS = 0.01
_START_POLLS = 500


class RelayListening(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen.

    Attributes:
        host: The address.
        port: The port; 0 for one that is free.
        tls_cert: A PEM file with a certificate, for TLS.
        tls_key: The PEM file with its key.
        most_per_address: How many connections one address may have; None: half of all.
    """

    host: str = "127.0.0.1"
    port: int = 8082
    tls_cert: str | None = None
    tls_key: str | None = None
    most_per_address: int | None = None


async def serve(
    relay: Relay,
    listening: RelayListening,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> bool:
    """Relay until SIGTERM or SIGINT, or until the issuer turns out to publish nothing.

    Args:
        relay: What follows, and answers.
        listening: Where to listen.
        on_ready: Told where it listens, as a URL, once it is up to date or has waited for that for 5 seconds.
        stop: Ends it when set; then no signal handlers are installed.

    Returns:
        Whether there was something to relay.

    Raises:
        OSError: The port is taken, or a file cannot be read.
    """
    loop = asyncio.get_running_loop()
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
    places = Places(_most_connections(raise_file_limit()), listening.most_per_address)
    context = None
    if listening.tls_cert is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(listening.tls_cert, listening.tls_key)
    server = await loop.create_server(
        partial(ReaderConnection, relay, places),
        listening.host,
        listening.port,
        reuse_address=True,
        ssl=context,
        ssl_handshake_timeout=None if context is None else _HANDSHAKE_SECONDS,
        backlog=_BACKLOG,
    )
    following, sweeping = loop.create_task(relay.follower.run()), loop.create_task(_sweep(places))
    try:
        await _until_live(relay, following)
        host = f"[{listening.host}]" if ":" in listening.host else listening.host
        scheme = "http" if context is None else "https"
        on_ready(f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}")
        stopping = loop.create_task(stop.wait())
        await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return not following.done()
    finally:
        sweeping.cancel()
        server.close()
        for each in list(places.open):
            each.close()
        relay.follower.stop()
        await following


def _most_connections(open_files: int) -> int:
    return _MOST if open_files == resource.RLIM_INFINITY else min(_MOST, open_files - _OTHER_FILES)


async def _until_live(relay: Relay, following: asyncio.Task[None]) -> None:
    for _ in range(_START_POLLS):
        if relay.is_live or following.done():
            return
        await asyncio.sleep(_START_POLL_SECONDS)


async def _sweep(places: Places) -> None:
    """Close those that say nothing, or read nothing."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        for each in list(places.open):
            each.close_if_idle(_IDLE_SECONDS)
