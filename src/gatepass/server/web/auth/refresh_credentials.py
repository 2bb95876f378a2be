"""The refresh token that a call presents, from its body or its cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import encode_id
from gatepass.server.domain.sessions.grant import RefreshCredential
from gatepass.server.domain.sessions.open import GRANT_PREFIX, digest
from gatepass.tokens.refresh_token import InvalidRefreshToken, read

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.web.browser import BrowserMode
    from gatepass.tokens.refresh_token import RefreshToken


def refresh_token_in(
    request: Request, in_body: str | None, *, keys: KeyRing, browser: BrowserMode
) -> RefreshToken | None:
    """Return the authentic refresh token of the body, else of the cookie; None when there is neither.

    A token that was handed out as a cookie is refused in a body and the reverse: a script that got hold of one cannot
    use it past the cross-site defence.

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


def refresh_credential(token: RefreshToken, client_id: str, jkt: str | None = None) -> RefreshCredential:
    """What the token proves, in the words of grants, at the client that presents it, with the key that it has."""
    return RefreshCredential(
        grant_id=f"{GRANT_PREFIX}_{encode_id(token.grant_id)}",
        client_id=client_id,
        secret_digest=digest(token.secret),
        serial=token.serial,
        jkt=jkt,
    )


def invalid_refresh_token() -> Refusal:
    """The one answer for every token that is not ours, or not for this call."""
    return Refusal("invalid_refresh_token", "This is not a refresh token for this call.")
