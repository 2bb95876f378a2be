"""Where a request comes from: the peer, or what a proxy that we trust says of it in the one header that we believe."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import structlog

from gatepass.server.domain.events.event import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from gatepass.server.base.settings import Settings

log = structlog.get_logger("gatepass")

_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.%\w]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+", re.ASCII)
"""An IPv6 address in brackets, or an IPv4 address with a port (RFC 7239 §6; Azure writes the second)."""
_PAIR = re.compile(r'([\w!#$%&\'*+.^`|~-]+)=(?:"([^"\\]*)"|([^\s"]*))', re.ASCII)
"""One `name=value` of Forwarded (RFC 7239 §4); an address needs no escapes in its quotes."""

UNKNOWN = ""
"""The address of whoever has none that can be read."""


class ClientAddress:
    """Reads a client's address: the networks of `trusted_proxy` are believed in what `trusted_header` says."""

    def __init__(self, settings: Settings) -> None:
        self._networks = [ipaddress.ip_network(network) for network in settings.trusted_proxy]
        self._header = settings.trusted_header.lower()
        self._has_warned = False

    def of(self, request: Request) -> str:
        """Return the address nearest to us that is not a trusted proxy's: what stands left of it anyone can write.

        `UNKNOWN` where a trusted proxy does not say it, or not so that it can be read: its own address is not the
        client's, and would make one client of all of them.
        """
        address = read_address(request.client.host if request.client else "")
        if not self._is_trusted(address):
            return address
        address = UNKNOWN
        for hop in self._hops(request):
            address = read_address(hop)
            if not self._is_trusted(address):
                break
        if address == UNKNOWN:
            self._warn()
        return address

    def where(self, request: Request) -> Origin:
        """Say where a request comes from, for the log of events."""
        return Origin.of(self.of(request), request.headers.get("user-agent", ""))

    def _hops(self, request: Request) -> Iterator[str]:
        """The addresses that proxies have written down, the nearest first."""
        for line in reversed(request.headers.getlist(self._header)):
            for element in filter(str.strip, reversed(line.split(","))):
                yield _for_of(element) if self._header == "forwarded" else element

    def _is_trusted(self, address: str) -> bool:
        return bool(address) and any(ipaddress.ip_address(address) in network for network in self._networks)

    def _warn(self) -> None:
        """Tell the operator once: limits for each address do not hold for these callers."""
        if not self._has_warned:
            self._has_warned = True
            log.warning("a trusted proxy does not say who calls", trusted_header=self._header)


def read_address(text: str) -> str:
    """An address in its one spelling, without brackets, port, zone and IPv4 mapping; `UNKNOWN` for anything else."""
    found = _WITH_PORT.fullmatch(text.strip())
    bare = (found[1] or found[2]) if found else text.strip()
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return UNKNOWN
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _for_of(element: str) -> str:
    """What an element of Forwarded says that it is `for`, the last one if it says it twice; else `UNKNOWN`.

    No address has a comma or a semicolon in it, so the caller splits without regard to quotes: one that a client has
    opened and not closed hides nothing of what a proxy has written after it.
    """
    found = UNKNOWN
    for text in element.split(";"):
        pair = _PAIR.fullmatch(text.strip())
        if pair is not None and pair[1].lower() == "for":
            found = pair[3] if pair[2] is None else pair[2]
    return found
