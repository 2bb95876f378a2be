"""What a refresh token proves, in the words of grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import encode_id
from gatepass.server.domain.sessions.grant import RefreshCredential
from gatepass.server.domain.sessions.open import GRANT_PREFIX, digest

if TYPE_CHECKING:
    from gatepass.tokens.refresh_token import RefreshToken


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
