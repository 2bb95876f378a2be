"""Browsers in which somebody has signed in to an account before: whoever guesses elsewhere does not keep these waiting.

A device cookie as OWASP describes it. It is of one account and one password, has a counter of its own, and is no factor
and no secret that opens anything: a stolen one lets its thief guess as often as one more account would be guessed at.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from gatepass.jose import base64url
from gatepass.server.web.cookies import HostCookie

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings

_NAME_BYTES = 16
_KEPT_SECONDS = 86_400 * 400
"""As long as browsers keep a cookie at all (RFC 6265bis §5.5)."""


class KnownBrowsers:
    """Knows browsers again."""

    def __init__(self, key: bytes, settings: Settings) -> None:
        self._key = key
        self._cookie = HostCookie("gatepass-known", settings, same_site="lax")

    def read(self, request: Request) -> str:
        """What the browser has kept; whose it is shows `name_in`."""
        return self._cookie.read(request)

    def name_in(self, kept: str, user_id: str, password: bytes) -> str:
        """The name of a browser that this account was signed in to with this password; empty for every other.

        `password` is `password_digest`, so that a new password makes strangers of all of them.
        """
        name, _, mac = kept.partition(".")
        is_theirs = bool(name) and hmac.compare_digest(mac.encode(), self._mac(name, user_id, password).encode())
        return name if is_theirs else ""

    def keep(self, response: Response, user_id: str, password: bytes) -> None:
        """Have a browser that has just signed in keep a new name."""
        name = secrets.token_urlsafe(_NAME_BYTES)
        self._cookie.put(response, f"{name}.{self._mac(name, user_id, password)}", _KEPT_SECONDS)

    def _mac(self, name: str, user_id: str, password: bytes) -> str:
        made = hmac.digest(self._key, f"{name} {user_id} {password.hex()}".encode(), hashlib.sha256)
        return base64url.encode(made)
