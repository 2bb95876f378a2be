"""Cookie mode, for pages of the issuer's own site: the refresh token in a cookie, and its CSRF protection.

Two defenses against other sites, each sufficient (RFC 10017 on cookies and CSRF): the cookie is SameSite=Strict, and a
request with it must carry a header that no form can send and the `Origin` of a known page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.server.base.errors import Refusal
from gatepass.server.base.urls import as_browsers_write
from gatepass.server.web.cookies import HostCookie

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings

REQUEST_HEADER = "gatepass-request"


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as browsers write an Origin (RFC 6454 §6.2)."""
    parts = urlsplit(as_browsers_write(url))
    return f"{parts.scheme}://{parts.netloc}"


class BrowserMode:
    """The rules of cookie mode under these settings."""

    def __init__(self, settings: Settings) -> None:
        self._cookie = HostCookie("gatepass-refresh", settings)
        self._own_origin = origin_of(settings.issuer_url)
        self._origins = frozenset({self._own_origin, *settings.browser_origins})

    def check_login(self, request: Request) -> None:
        """Refuse to set a cookie for another site's page, which would sign the user in as the attacker (login CSRF).

        A program that is not a browser sends no Origin, and can harm only itself.

        Raises:
            Refusal: `cross_site_request`.
        """
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._origins:
            raise self._cross_site()

    def refresh_cookie(self, request: Request) -> str | None:
        """Return the cookie's refresh token, after checking that a page of ours sent it; None if there is no cookie.

        Raises:
            Refusal: `cross_site_request`.
        """
        token = self._cookie.read(request)
        if not token:
            return None
        if request.headers.get(REQUEST_HEADER) != "1" or request.headers.get("origin") not in self._origins:
            raise self._cross_site()
        return token

    def page_cookie(self, request: Request) -> str | None:
        """Return the cookie's refresh token for a page. `Pages.check_form` has already checked its forms."""
        return self._cookie.read(request) or None

    def set_cookie(self, response: Response, refresh_token: str, seconds: int) -> None:
        """Set the refresh token as a cookie, unreadable for scripts, for as long as the session may last."""
        self._cookie.put(response, refresh_token, seconds)

    def clear_cookie(self, request: Request, response: Response) -> None:
        """Delete the cookie in a browser that has it."""
        if self._cookie.read(request):
            self._cookie.drop(response)

    def _cross_site(self) -> Refusal:
        return Refusal(
            "cross_site_request",
            f"Cookie mode is for this site's own pages: send Gatepass-Request: 1 from {self._own_origin}.",
        )
