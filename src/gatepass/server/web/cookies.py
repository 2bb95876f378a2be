"""A cookie that scripts cannot read, under the issuer's host and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.settings import Settings


class HostCookie:
    """One cookie; over HTTPS its name has the prefix that keeps sister hosts from planting one (RFC 6265bis)."""

    def __init__(self, name: str, settings: Settings, *, same_site: Literal["lax", "strict"] = "strict") -> None:
        self._secure = settings.issuer_url.startswith("https://")
        self._name = f"__Host-{name}" if self._secure else name
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
