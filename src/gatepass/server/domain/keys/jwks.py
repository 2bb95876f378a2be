"""The JWKS (RFC 7517 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gatepass.server.domain.keys.keyring import KeyRing


JWKS_PATH = "/.well-known/jwks.json"


def render_jwks(keys: KeyRing) -> bytes:
    """The public keys as JSON. A shared secret is never included."""
    members = keys.published.to_jwks()["keys"]
    return msgspec.json.encode({"keys": [{**member, "use": "sig"} for member in members]})
