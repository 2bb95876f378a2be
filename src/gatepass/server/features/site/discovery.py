"""Discovery: metadata (RFC 8414) and the JWKS (RFC 7517 §5)."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from gatepass.server.domain.keys.jwks import JWKS_PATH
from gatepass.tokens import dpop_proof

METADATA_PATH = "/.well-known/oauth-authorization-server"

_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
_ALGORITHMS = ("ES256", "ES384", "ES512", "Ed25519", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


class IssuerMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The authorization server's metadata (RFC 8414 §2), and the URLs of revocations.

    No response type is supported, because there is no authorization endpoint yet.
    """

    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    revocations_uri: str
    revocations_snapshot_uri: str
    service_documentation: str
    response_types_supported: tuple[str, ...] = ()
    grant_types_supported: tuple[str, ...] = ("client_credentials", "refresh_token")
    token_endpoint_auth_methods_supported: tuple[str, ...] = _METHODS
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = _METHODS
    revocation_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    introspection_endpoint_auth_methods_supported: tuple[str, ...] = _METHODS
    introspection_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = _ALGORITHMS
    dpop_signing_alg_values_supported: tuple[str, ...] = dpop_proof.ALGORITHMS


def render_metadata(issuer: str) -> bytes:
    """The metadata document as JSON."""
    return msgspec.json.encode(
        IssuerMetadata(
            issuer=issuer,
            jwks_uri=issuer + JWKS_PATH,
            token_endpoint=f"{issuer}/oauth/token",
            revocation_endpoint=f"{issuer}/oauth/revoke",
            introspection_endpoint=f"{issuer}/oauth/introspect",
            revocations_uri=f"{issuer}/revocations",
            revocations_snapshot_uri=f"{issuer}/revocations/snapshot",
            service_documentation=f"{issuer}/docs",
        )
    )


def metadata_paths(issuer: str) -> tuple[str, str]:
    """The paths of the metadata: between host and path of the issuer (RFC 8414 §3.1), and after its path.

    The second is for proxies that forward only paths below the issuer, and for clients that look there as OpenID
    Connect Discovery does (§5).
    """
    path = urlsplit(issuer).path
    return METADATA_PATH + path, path + METADATA_PATH
