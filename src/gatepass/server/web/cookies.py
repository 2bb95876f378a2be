"""A cookie that scripts cannot read, for the issuer's host only."""

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
    """The name of a cookie at this issuer.

    Over HTTPS the prefix makes browsers require Secure, Path=/ and no Domain, so that a sibling host cannot set one
    (RFC 6265bis §4.1.3.2). Cookies are shared between ports, and prefixed ones between paths, so if another issuer may
    be on the same host, the name contains which: otherwise a sign-in at one would replace the other's.
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
        # On plain HTTP, which is allowed on loopback only, a Secure cookie would not be stored.
        self._secure = settings.issuer_url.startswith("https://")
        self._name = cookie_name(name, settings)
        self._same_site: Literal["lax", "strict"] = same_site

    def read(self, request: Request) -> str:
        """Its value; empty if it is missing."""
        return request.cookies.get(self._name, "")

    def put(self, response: Response, value: str, seconds: int) -> None:
        """Set the cookie."""
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
        """Delete the cookie."""
        response.delete_cookie(self._name, path="/", secure=self._secure, httponly=True, samesite=self._same_site)
