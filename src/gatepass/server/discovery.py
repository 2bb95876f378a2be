"""What others need to know of this issuer: metadata (RFC 8414) and the JWKS (RFC 7517 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from gatepass.server.keys.keyring import KeyRing

JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """The authorization server's metadata (RFC 8414 §2). No OAuth grant is served yet, so no endpoint is named."""

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ()
    service_documentation: str = ""


def render_metadata(issuer: str) -> bytes:
    """The metadata document as JSON."""
    return msgspec.json.encode(
        Metadata(issuer=issuer, jwks_uri=issuer + JWKS_PATH, service_documentation=f"{issuer}/docs")
    )


def render_jwks(keys: KeyRing) -> bytes:
    """The public keys as JSON. A shared secret is never among them."""
    members = keys.published.to_jwks()["keys"]
    return msgspec.json.encode({"keys": [{**member, "use": "sig"} for member in members]})


def metadata_path(issuer: str) -> str:
    """Where the metadata lies: the well-known part comes before the issuer's own path (RFC 8414 §3.1)."""
    return METADATA_PATH + urlsplit(issuer).path
