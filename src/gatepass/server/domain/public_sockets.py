"""Connections to public addresses, for httpcore. It loads httpcore: import it where something is fetched."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

import httpcore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class PublicSockets(httpcore.AsyncNetworkBackend):
    """Connects to addresses that pass a check, which raises `OSError` for those that are not to be reached."""

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check
        # pyright sees what stands in for it where anyio is missing
        self._plain = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the name up once, and connect to the first of its addresses that passes and answers."""
        trouble: Exception = OSError(f"{host} has no address")
        for address in await _addresses(host, port):
            try:
                self._check(address)
                stream = await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (OSError, httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
                continue
            await self._check_connected(stream)
            return stream
        raise trouble

    async def _check_connected(self, stream: httpcore.AsyncNetworkStream) -> None:
        """Whatever led there: the last word has the socket."""
        peer = stream.get_extra_info("server_addr")
        try:
            self._check(peer[0])
        except BaseException:
            await stream.aclose()
            raise


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
