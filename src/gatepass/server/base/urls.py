"""URLs and hosts, as settings and headers have them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_ISSUER = re.compile(r"https?://[\w.~:/\[\]%!$&'()*+,;=-]+", re.ASCII)
"""RFC 3986 without what RFC 8414 §2 rules out; the scheme in lower case, since much depends on its being https."""


def as_browsers_write(url: str) -> str:
    """A URL with its host in lower case and without a port that goes without saying (WHATWG URL §4.4)."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def host_of_url(url: str) -> str | None:
    """The host of a URL that an issuer may have; None when it is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # refuses one that is no port
    except ValueError:
        return None
    return parts.hostname if _ISSUER.fullmatch(url) else None


def is_https_or_local(url: str) -> bool:
    """Whether secrets may be sent to a URL: nobody on the way reads them."""
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
