"""Which addresses are of the internet at large, and of no network that only we are in (RFC 6890 and its registries)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out (RFC 4291 §2.4)."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 as a network that has IPv6 alone sees it (RFC 6052 §2.1)."""
_NOT_PUBLIC = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("2002::/16"),
    IPv6Network("3fff::/20"),
)
"""What `is_global` lets pass in some version of Python: protocol assignments, tunnels to IPv4, documentation."""


def is_public(address: Address) -> bool:
    """Whether it is of a public host."""
    if isinstance(address, IPv6Address):
        inner = embedded_ipv4(address)
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    is_special = any(address in network for network in _NOT_PUBLIC if network.version == address.version)
    return address.is_global and not (address.is_multicast or is_special)


def embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that packets to this one arrive at, if they leave IPv6."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped


def parsed_address(text: str) -> Address:
    """An address as sockets write it, which may say after `%` through which interface it is reached.

    Raises:
        ValueError: It is none.
    """
    return ip_address(text.partition("%")[0])
