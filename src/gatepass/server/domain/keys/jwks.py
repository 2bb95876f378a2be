"""The JWKS (RFC 7517 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.tokens import published_keys

if TYPE_CHECKING:
    from gatepass.server.domain.keys.keyring import KeyRing


JWKS_PATH = "/.well-known/jwks.json"


def render_jwks(keys: KeyRing) -> bytes:
    """The public keys as JSON. A shared secret is never included."""
    return msgspec.json.encode({"keys": published_keys.members(keys.published, keys.document_kids)})
