"""The refresh token of a request, from its body or its cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.refresh_credentials import invalid_refresh_token
from gatepass.tokens.refresh_token import InvalidRefreshToken, read

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.web.browser import BrowserMode
    from gatepass.tokens.refresh_token import RefreshToken


def refresh_token_in(
    request: Request, in_body: str | None, *, keys: KeyRing, browser: BrowserMode
) -> RefreshToken | None:
    """Return the authentic refresh token of the body, or of the cookie; None if there is neither.

    A token that was issued as a cookie is refused in a body and vice versa: a script that got hold of one cannot use it
    to bypass the CSRF protection.

    Raises:
        Refusal: `invalid_refresh_token` or `cross_site_request`.
    """
    text = in_body if in_body is not None else browser.refresh_cookie(request)
    if text is None:
        return None
    try:
        token = read(text, keys.refresh_keys)
    except InvalidRefreshToken:
        raise invalid_refresh_token() from None
    if token.in_cookie != (in_body is None):
        raise invalid_refresh_token()
    return token
