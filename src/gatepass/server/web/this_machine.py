"""Whether a request comes from the server's own machine, as far as a request can tell.

An address alone proves nothing: a proxy or tunnel on this machine also connects from loopback, and so does a browser
here that was sent by another site's page (DNS rebinding). Anything secret needs more than this check, because some
tunnels are indistinguishable from this machine.
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
"""Headers by which proxies and tunnels identify themselves, whatever the product."""


class ThisMachine:
    """Guards routes for this machine only; always refuses unless the issuer is on loopback."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.issuer_url)
        self._host = parts.netloc.lower() if is_loopback(parts.hostname or "") else None

    def sent(self, request: Request) -> bool:
        """Whether the request comes from this machine, by the issuer's own name, without a proxy."""
        peer = request.client.host if request.client else ""
        return (
            self._host is not None
            and request.headers.get("host", "").lower() == self._host
            and is_loopback(peer)
            and not any(_FORWARDING.fullmatch(name.lower().replace("_", "-")) for name in request.headers)
        )
