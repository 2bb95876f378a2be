"""The connections of a relay: how many there may be in all, and from one address."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.relay.protocol import ReaderConnection

_HOST_BITS = 64


class Places:
    """Which connections are open, and from where.

    Attributes:
        open: All of them, also those that are being refused.
        most: How many there may be.
        most_per_address: How many there may be from one address.
        refused: How many were refused since the start.
    """

    def __init__(self, most: int, most_per_address: int | None = None) -> None:
        """Begin with none.

        Args:
            most: How many there may be.
            most_per_address: How many of one address; None: half of them, so that no address takes every place.
        """
        self.open: dict[ReaderConnection, str] = {}
        self.most = most
        self.most_per_address = most_per_address or max(1, most // 2)
        self.refused = 0
        self._of_address: Counter[str] = Counter()

    def enter(self, connection: ReaderConnection, host: str) -> bool:
        """Count a connection; return whether there is room for it.

        Args:
            connection: The connection.
            host: Its peer's address.
        """
        address = _client(host)
        self.open[connection] = address
        self._of_address[address] += 1
        has_room = len(self.open) <= self.most and self._of_address[address] <= self.most_per_address
        self.refused += not has_room
        return has_room

    def leave(self, connection: ReaderConnection) -> None:
        """Count one less."""
        address = self.open.pop(connection)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]


def _client(host: str) -> str:
    """The address; of IPv6 the network of 64 bits, which one client has as a whole (RFC 6177 §2)."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or int(address) >> _HOST_BITS)
