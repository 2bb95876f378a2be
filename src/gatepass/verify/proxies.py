"""Which proxy the environment names for a URL (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`), and for which hosts none.

Every client reads `NO_PROXY` a little differently; here its entries are what people write: names with or without a
leading dot, addresses with or without brackets, networks, ports, `*`. An entry that is none of these names no host.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit


class Proxy(NamedTuple):
    """A proxy, and which variable of the environment names it."""

    url: str
    variable: str


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy that the environment names for a URL, if it does."""
    from urllib.request import getproxies  # noqa: PLC0415 - a twentieth of every start, and only fetching needs it

    known = getproxies()
    parts = urlsplit(url)
    for name in (parts.scheme, "all"):
        if known.get(name):
            if _is_excepted(parts.hostname or "", parts.port or _PORTS.get(parts.scheme), known.get("no", "")):
                return None
            found = known[name]
            return Proxy(found if "://" in found else f"http://{found}", f"{name.upper()}_PROXY")
    return None


_PORTS = {"http": 80, "https": 443}


def _is_excepted(host: str, port: int | None, excepted: str) -> bool:
    return any(_names(entry.strip().lower(), host.lower().rstrip("."), port) for entry in excepted.split(","))


def _names(entry: str, host: str, port: int | None) -> bool:
    """Tell whether an entry of `NO_PROXY` is about a host."""
    entry = entry.rpartition("://")[2]
    if entry in ("", "*"):
        return entry == "*"
    entry, number = _parted(entry)
    if number.isdecimal() and int(number[:6]) != port:
        return False
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        entry = entry.removeprefix("*").strip(".")
        return host == entry or (bool(entry) and host.endswith(f".{entry}"))
    try:
        return ip_address(host) in network
    except ValueError:
        return False


def _parted(entry: str) -> tuple[str, str]:
    """Part the port from a name, an address or a network; brackets end an address of IPv6 (RFC 3986)."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        return (address + rest, "") if rest.startswith("/") else (address, rest.removeprefix(":"))
    name, _, number = entry.partition(":")
    return (entry, "") if ":" in number else (name, number)
