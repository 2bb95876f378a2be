"""Whether a request comes from the machine that the server runs on, as far as a request can tell.

An address alone proves nothing: a proxy or a tunnel on this machine calls from loopback too, and a page of another
site whose name suddenly leads here (DNS rebinding) is opened by a browser on this machine. What holds a secret asks for
more than this: a tunnel that says nothing of itself looks like this machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.server.base.urls import is_loopback

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.base.settings import Settings

_FORWARDING = re.compile(
    r"via|cdn-loop|.*forwarded.*|(.*-)?ip|.*clientip|.*remote-addr|(proxy|cf|ngrok|tailscale|x-(envoy|original|proxy))-.*"
)
"""Names of headers by which proxies and tunnels say that they are there, whatever the product."""


class ThisMachine:
    """The guard of what is meant for this machine only; it lets nobody in unless the issuer is on loopback."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.issuer_url)
        self._host = parts.netloc.lower() if is_loopback(parts.hostname or "") else None

    def sent(self, request: Request) -> bool:
        """Whether the caller is on this machine, called it by the issuer's own name, and no proxy stands between."""
        peer = request.client.host if request.client else ""
        return (
            self._host is not None
            and request.headers.get("host", "").lower() == self._host
            and is_loopback(peer)
            and not any(_FORWARDING.fullmatch(name.lower().replace("_", "-")) for name in request.headers)
        )
