"""Where a request comes from: the peer, or what a proxy that we trust says of it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from gatepass.server.events import Where

if TYPE_CHECKING:
    from starlette.requests import Request


class ClientAddress:
    """Reads a client's address; `networks` (CIDR) are the proxies whose X-Forwarded-For is believed."""

    def __init__(self, networks: tuple[str, ...]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def of(self, request: Request) -> str:
        """Return the address nearest to us that is not a trusted proxy's: what stands left of it anyone can write."""
        address = request.client.host if request.client else ""
        forwarded = request.headers.getlist("x-forwarded-for")
        hops = [hop.strip() for line in forwarded for hop in line.split(",")]
        while hops and self._is_trusted(address):
            address = hops.pop()
        return address if _is_address(address) else ""

    def where(self, request: Request) -> Where:
        """Say where a request comes from, for the log of events."""
        return Where.of(self.of(request), request.headers.get("user-agent", ""))

    def _is_trusted(self, address: str) -> bool:
        return _is_address(address) and any(ipaddress.ip_address(address) in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
