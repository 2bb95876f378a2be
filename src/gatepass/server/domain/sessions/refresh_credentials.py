"""Reading refresh tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import encode_id
from gatepass.server.domain.sessions.grant import RefreshCredential
from gatepass.server.domain.sessions.open import GRANT_PREFIX, digest
from gatepass.tokens import refresh_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.tokens.refresh_token import RefreshKey, RefreshToken


def refresh_credential(token: RefreshToken, client_id: str, jkt: str | None = None) -> RefreshCredential:
    """What a refresh token proves, presented by this client and with this key."""
    return RefreshCredential(
        grant_id=f"{GRANT_PREFIX}_{encode_id(token.grant_id)}",
        client_id=client_id,
        secret_digest=digest(token.secret),
        serial=token.serial,
        jkt=jkt,
    )


def invalid_refresh_token() -> Refusal:
    """The one refusal for every token that is not ours, or not for this request."""
    return Refusal("invalid_refresh_token", "This refresh token is not valid for this request.")


def read_in_body(text: str, keys: Mapping[bytes, RefreshKey]) -> RefreshToken | None:
    """Read a refresh token that is meant for bodies; None for anything else."""
    try:
        token = refresh_token.read(text, keys)
    except refresh_token.InvalidRefreshToken:
        return None
    return None if token.in_cookie else token
