"""A cookie that scripts cannot read, under the issuer's host and no other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from gatepass.server.base.urls import is_loopback

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings

_SUFFIX_LENGTH = 8


def cookie_name(name: str, settings: Settings) -> str:
    """What a cookie is called at this issuer.

    Over HTTPS the prefix makes browsers insist on Secure, Path=/ and no Domain: a sister host cannot plant one
    (RFC 6265bis §4.1.3.2). Cookies are not kept apart by port, and those with the prefix not by path, so where another
    issuer may be at the same host the name says whose it is: else a sign-in at one would end that at the other.
    """
    parts = urlsplit(settings.issuer_url)
    prefix = "__Host-" if parts.scheme == "https" else ""
    is_alone = parts.port is None and not parts.path and not is_loopback(parts.hostname or "")
    return f"{prefix}{name}" if is_alone else f"{prefix}{name}-{_suffix(settings.issuer_url)}"


def _suffix(issuer: str) -> str:
    return hashlib.sha256(issuer.encode()).hexdigest()[:_SUFFIX_LENGTH]


class HostCookie:
    """One cookie."""

    def __init__(self, name: str, settings: Settings, *, same_site: Literal["lax", "strict"] = "strict") -> None:
        # On plain HTTP, which is for loopback only, a Secure cookie would not be kept.
        self._secure = settings.issuer_url.startswith("https://")
        self._name = cookie_name(name, settings)
        self._same_site: Literal["lax", "strict"] = same_site

    def read(self, request: Request) -> str:
        """Its value; empty when there is none."""
        return request.cookies.get(self._name, "")

    def put(self, response: Response, value: str, seconds: int) -> None:
        """Have the browser keep a value."""
        response.set_cookie(
            self._name,
            value,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite=self._same_site,
        )

    def drop(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite=self._same_site)
