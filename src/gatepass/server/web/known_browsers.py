"""Known browsers of an account, which attempts from elsewhere do not make wait.

A device cookie as OWASP describes it. It belongs to one account and password, has its own counter, and is neither a
factor nor a credential: a stolen one only allows some more guesses.
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
"""The longest life of a cookie in browsers (RFC 6265bis §5.5)."""


class KnownBrowsers:
    """Recognizes browsers."""

    def __init__(self, key: bytes, settings: Settings) -> None:
        self._key = key
        self._cookie = HostCookie("gatepass-known", settings, same_site="lax")

    def read(self, request: Request) -> str:
        """The browser's cookie; `name_in` tells whose it is."""
        return self._cookie.read(request)

    def name_in(self, kept: str, user_id: str, password: bytes) -> str:
        """The id of a browser that signed in to this account with this password; empty otherwise.

        `password` is `password_digest`, so that a new password makes all browsers unknown.
        """
        name, _, mac = kept.partition(".")
        is_theirs = bool(name) and hmac.compare_digest(mac.encode(), self._mac(name, user_id, password).encode())
        return name if is_theirs else ""

    def keep(self, response: Response, user_id: str, password: bytes) -> None:
        """Give a browser that has just signed in a new id."""
        name = secrets.token_urlsafe(_NAME_BYTES)
        self._cookie.put(response, f"{name}.{self._mac(name, user_id, password)}", _KEPT_SECONDS)

    def _mac(self, name: str, user_id: str, password: bytes) -> str:
        made = hmac.digest(self._key, f"{name} {user_id} {password.hex()}".encode(), hashlib.sha256)
        return base64url.encode(made)
