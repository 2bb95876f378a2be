"""Listening: on a port or a Unix socket, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from gatepass.guard.decision import ForwardAuth
from gatepass.guard.protocol import ProxyConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from gatepass.verify import Principal, Verifier
    from gatepass.verify.guard import Guard

_log = logging.getLogger(__name__)

_IDLE_SECONDS = 75.0
"""How long a connection may say nothing: a little more than what proxies keep theirs for."""
_SWEEP_SECONDS = 15.0
_DRAIN_SECONDS = 5.0
"""How long the answers to open questions may take at the end."""
_SOCKET_MODE = 0o660
"""The proxy's user has to be in the group of ours."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and whom to believe.

    Attributes:
        host: The address, with `port`.
        port: The port; 0 for one that is free.
        unix: The path of a Unix socket in place of both. Whoever may open it is listed.
        proxies: The addresses, or networks, of the proxies that are believed what they say of the request.
    """

    host: str = "127.0.0.1"
    port: int = 8081
    unix: str | None = None
    proxies: tuple[str, ...] = ()

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The proxies as networks. Raises ValueError for something else."""
        return tuple(ip_network(each, strict=False) for each in self.proxies)


async def serve(
    guard: Guard[Principal], verifier: Verifier, listening: Listening, *, on_ready: Callable[[str], None]
) -> None:
    """Answer until SIGTERM or SIGINT, then end what is open.

    Args:
        guard: Who is admitted.
        verifier: What it verifies with, which fetches its keys first.
        listening: Where to listen.
        on_ready: Told where it listens, as a URL or a path.

    Raises:
        OSError: The port or the path is taken.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    open_ones: set[ProxyConnection] = set()
    is_told_by = partial(_is_listed, networks=listening.networks)
    connection = partial(ProxyConnection, ForwardAuth(guard), is_told_by=is_told_by, open_ones=open_ones)
    if listening.unix is None:
        server = await loop.create_server(connection, listening.host, listening.port, reuse_address=True)
        port = server.sockets[0].getsockname()[1]
        where = f"http://{f'[{listening.host}]' if ':' in listening.host else listening.host}:{port}"
    else:
        server = await loop.create_unix_server(connection, listening.unix)
        where = listening.unix
        await asyncio.to_thread(Path(where).chmod, _SOCKET_MODE)
    sweeping = loop.create_task(_sweep(open_ones))
    try:
        await verifier.astart()
        on_ready(where)
        await stop.wait()
    finally:
        sweeping.cancel()
        server.close()
        await _end(open_ones)
        if listening.unix is not None:
            await asyncio.to_thread(Path(listening.unix).unlink, missing_ok=True)


def _is_listed(peer: object, *, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether the peer of a connection is listed. That of a Unix socket has no address, and permission to open it."""
    if not isinstance(peer, tuple):
        return isinstance(peer, (str, bytes))
    try:
        address = ip_address(cast("tuple[str, int]", peer)[0])
    except ValueError:
        return False
    return any(address in network for network in networks)


async def _sweep(open_ones: set[ProxyConnection]) -> None:
    """Hang up on those that say nothing."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        for each in list(open_ones):
            if loop.time() - each.used_at > _IDLE_SECONDS:
                each.close()


async def _end(open_ones: set[ProxyConnection]) -> None:
    for each in list(open_ones):
        each.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            await asyncio.gather(*(each.gone.wait() for each in list(open_ones)))
