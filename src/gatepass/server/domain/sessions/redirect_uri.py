"""Redirect URIs: which may be registered, and which registered one an authorization request names.

They are compared byte for byte, as they were sent and before anything is parsed (RFC 9700 §4.1.3). Only the port of a
native application on the same device may differ (RFC 8252 §7.3).
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2_000
"""Bytes of a redirect URI."""
MOST = 20
"""Redirect URIs of a client."""

_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=%]+")
"""What RFC 3986 allows, but for `#`, which begins a fragment, and `*`, which people mean as a wildcard."""
_WEB = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>[/?].*)?"
)
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+\-]*(\.[a-z0-9+\-]+)+:/.*")
"""A scheme of one's own is named for a domain, so it has a dot (RFC 8252 §7.1): never `javascript` or `data`."""
_LOOPBACK = re.compile(
    r"http://(?P<host>127\.0\.0\.1|\[::1\]|localhost)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>(?:[/?].*)?)"
)
_LARGEST_PORT = 65_535
_OURS = frozenset({"code", "state", "iss", "error", "error_description", "error_uri", "response"})
"""Parameters that the response adds."""


def check_redirect_uris(uris: Iterable[str], *, is_native: bool) -> None:
    """Refuse redirect URIs that no client may register.

    Raises:
        Refusal: `invalid_redirect_uri`, with what is wrong.
    """
    known = list(uris)
    if len(known) > MOST or len(set(known)) < len(known):
        raise _refused(f"A client has at most {MOST} redirect URIs, each of them once.")
    for uri in known:
        check_redirect_uri(uri, is_native=is_native)


def check_redirect_uri(uri: str, *, is_native: bool) -> None:
    """The same, of one."""
    if len(uri) > LONGEST or not _CHARACTERS.fullmatch(uri):
        raise _refused(
            f"A redirect URI has at most {LONGEST} characters of RFC 3986, and neither a fragment nor a `*`."
        )
    web = _WEB.fullmatch(uri)
    if web is None and not (is_native and _PRIVATE_USE.fullmatch(uri)):
        raise _refused(
            "A redirect URI is absolute, in lower case up to its path: https, http on a loopback address, or, of a"
            " native application, a scheme of its own that contains a dot."
        )
    if web is not None and int(web["port"] or 0) > _LARGEST_PORT:
        raise _refused("The port of the redirect URI is none.")
    if web is not None and web["host"].startswith("[") and not _is_ipv6(web["host"][1:-1]):
        raise _refused("The host of the redirect URI is no IPv6 address.")
    if web is not None and web["scheme"] == "http" and not is_loopback_uri(uri):
        raise _refused("A redirect URI begins with https, unless it is on 127.0.0.1, [::1] or localhost.")
    path, _, query = uri.partition("?")
    if (
        any(unquote(segment) in (".", "..") for segment in path.split("/"))
        or "@" in path.partition("//")[2].partition("/")[0]
    ):
        raise _refused("A redirect URI has no dot segments and no user name.")
    if any(name in _OURS for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise _refused("The query of a redirect URI has none of the parameters that the response adds.")


def is_registered(sent: str, registered: Iterable[str], *, is_native: bool) -> bool:
    """Whether a redirect URI is one of those that the client has registered."""
    return any(sent == uri or (is_native and _differs_in_port(sent, uri)) for uri in registered)


def _differs_in_port(sent: str, registered: str) -> bool:
    """RFC 8252 §7.3: any port on a loopback address, and on `localhost` where none was registered."""
    was, now = _LOOPBACK.fullmatch(registered), _LOOPBACK.fullmatch(sent)
    if was is None or now is None or (was["host"], was["rest"]) != (now["host"], now["rest"]):
        return False
    if was["host"] == "localhost" and was["port"] is not None:
        return False
    return int(now["port"] or 0) <= _LARGEST_PORT


def is_loopback_uri(uri: str) -> bool:
    """Whether it leads to the same device by HTTP."""
    return _LOOPBACK.fullmatch(uri) is not None


def is_claimed_https(uri: str) -> bool:
    """Whether it leads to whoever owns a domain, so that no other application on the device can take it."""
    return uri.startswith("https://")


def host_of(uri: str) -> str:
    """What people are shown of where they are sent: the host and its port, or the scheme of an application."""
    web = _WEB.fullmatch(uri)
    if web is None:
        return uri.partition(":")[0]
    return web["host"] + (f":{web['port']}" if web["port"] else "")


def form_target(uri: str) -> str:
    """What a Content-Security-Policy has to name for a form whose answer leads there: an origin, or a scheme."""
    web = _WEB.fullmatch(uri)
    if web is None or web["host"].startswith("["):  # its grammar has no IPv6 addresses (CSP3 §2.3.1)
        return f"{uri.partition(':')[0]}:"
    return f"{web['scheme']}://{host_of(uri)}"


def with_parameters(uri: str, encoded: str) -> str:
    """Append parameters to a redirect URI as it is: it is never put together anew."""
    return f"{uri}{'&' if '?' in uri else '?'}{encoded}"


def _is_ipv6(address: str) -> bool:
    """Whether it may stand in brackets (RFC 3986 §3.2.2); URL parsers raise at anything else."""
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return True


def _refused(why: str) -> Refusal:
    return Refusal("invalid_redirect_uri", why)
