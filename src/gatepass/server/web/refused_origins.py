"""Telling the operator of a page that may not call the server: its browser only says that the network failed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from gatepass.server.base.settings.origins import is_origin
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

log = structlog.get_logger("gatepass")

_AGAIN_SECONDS = 3_600.0
_MOST = 20
"""Lines within that time: anyone can send any origin."""
_NO_ORIGIN = "It comes from a file or a sandboxed frame, which have none: serve the page over HTTP."
_OTHER_SITE = (
    "Browsers keep the cookie of cookie mode from pages of other sites: register a client of the kind browser, and give"
    " its id to createClient."
)
_LIST = "Add the origin to this setting, and restart."


class RefusedOrigins:
    """Logs each refused origin once an hour, with the setting that would allow it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._told: set[tuple[str, str]] = set()

    def tell(self, origin: str, request: Request) -> None:
        """Log it, unless that was done lately, or a page of our own has another name for this machine."""
        if (header(request, b"sec-fetch-site") or "") == "same-origin":
            return
        setting, hint = _advice(origin, request)
        if hint and self._is_new(origin, setting):
            log.warning("a page may not call this server", origin=origin, setting=setting, hint=hint)

    def _is_new(self, origin: str, setting: str) -> bool:
        now = self._clock()
        if now - self._since >= _AGAIN_SECONDS:
            self._since = now
            self._told.clear()
        if len(self._told) >= _MOST or (origin, setting) in self._told:
            return False
        self._told.add((origin, setting))
        return True


def _advice(origin: str, request: Request) -> tuple[str, str]:
    """The setting that would allow it, and what to do; no advice about what no browser sends."""
    if origin == "null":
        return "", _NO_ORIGIN
    if not is_origin(origin):
        return "", ""
    site = header(request, b"sec-fetch-site")
    asked = f"{header(request, b'access-control-request-headers') or ''},".lower()
    wants_cookie = header(request, b"gatepass-request") is not None or "gatepass-request," in asked
    if wants_cookie and site == "cross-site":
        return "", _OTHER_SITE
    return ("browser_origins" if wants_cookie or site == "same-site" else "cors_origins"), _LIST
