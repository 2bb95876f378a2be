"""Parsing URLs and hosts from settings and headers."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_ISSUER = re.compile(r"https?://[\w.~:/\[\]%!$&'()*+,;=-]+", re.ASCII)
"""RFC 3986 without what RFC 8414 §2 rules out; the scheme in lower case, since much depends on its being https."""


def as_browsers_write(url: str) -> str:
    """A URL with a lower-case host and without a default port (WHATWG URL §4.4)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def host_of_url(url: str) -> str | None:
    """The host of a URL that is valid for an issuer; None if it is not."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses one that is no port
    except ValueError:
        return None
    return parts.hostname if _ISSUER.fullmatch(url) else None


def is_https_or_local(url: str) -> bool:
    """Whether secrets may be sent to a URL, because it is HTTPS or on this machine."""
    host = host_of_url(url)
    return host is not None and (url.startswith("https:") or is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether the name or address can only be reached from this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
