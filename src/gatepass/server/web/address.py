"""The client's address: the peer's, or what a trusted proxy says in the configured header."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from gatepass.server.domain.events.event import Origin
from gatepass.server.web.parsing import header

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
"""The address of a client whose address cannot be read."""


class ClientAddress:
    """Reads a client's address: proxies in `trusted_proxy` are believed in what `trusted_header` says."""

    def __init__(self, settings: Settings) -> None:
        self._networks = [ipaddress.ip_network(network) for network in settings.trusted_proxy]
        self._header = settings.trusted_header.lower()
        self._has_warned = False

    def of(self, request: Request) -> str:
        """Return the last address that is not a trusted proxy's: anything to the left of it can be forged.

        `UNKNOWN` if a trusted proxy does not say it, or not readably: using the proxy's own address would treat all its
        clients as one.
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
        """The origin of a request, for the event log."""
        return Origin.of(self.of(request), header(request, b"user-agent") or "")

    def _hops(self, request: Request) -> Iterator[str]:
        """The addresses that proxies have recorded, the nearest first."""
        for line in reversed(request.headers.getlist(self._header)):
            for element in filter(str.strip, reversed(line.split(","))):
                yield _for_of(element) if self._header == "forwarded" else element

    def _is_trusted(self, address: str) -> bool:
        if not address or not self._networks:
            return False
        return any(ipaddress.ip_address(address) in network for network in self._networks)

    def _warn(self) -> None:
        """Warn the operator once: limits by address do not apply to these callers."""
        if not self._has_warned:
            self._has_warned = True
            log.warning("a trusted proxy does not say who calls", trusted_header=self._header)


@lru_cache(maxsize=4_096)  # the same clients come again, and reading takes longer than anything else about them
def read_address(text: str) -> str:
    """An address in canonical form, without brackets, port, zone and IPv4 mapping; `UNKNOWN` for anything else."""
    found = _WITH_PORT.fullmatch(text.strip())
    bare = (found[1] or found[2]) if found else text.strip()
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return UNKNOWN
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _for_of(element: str) -> str:
    """The `for` of an element of Forwarded, the last one if there are two; otherwise `UNKNOWN`.

    No address contains a comma or semicolon, so the caller splits without regard to quotes: a quote that a client left
    open cannot hide what a proxy wrote after it.
    """
    found = UNKNOWN
    for text in element.split(";"):
        pair = _PAIR.fullmatch(text.strip())
        if pair is not None and pair[1].lower() == "for":
            found = pair[3] if pair[2] is None else pair[2]
    return found
