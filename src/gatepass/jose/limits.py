"""How much of an unverified document is read before it is refused."""

from __future__ import annotations

import msgspec

from .errors import InvalidPolicyError

_LEAST_DEPTH = 3


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what an attacker may make us do; raise one by passing `limits=Limits(token_length=…)`.

    Attributes:
        token_length: Characters in a whole token or JSON serialization. 250,000, as RFC 8725bis §3.15 proposes.
        header_length: Characters in one base64url-encoded header.
        depth: Nested arrays and objects in any JSON text; at least 3.
        keys: Members of a JWK Set.
        jwks_length: Octets or characters of the text of a JWK or JWK Set.
        pem_length: Octets or characters of a PEM document.
        signatures: Signatures of one JWS in the general JSON serialization.
        recipients: Recipients of one JWE in the general JSON serialization.
        inflated_length: Octets of a plaintext that was compressed; also 250,000.
    """

    token_length: int = 250_000
    header_length: int = 20_000
    depth: int = 32
    keys: int = 1_000
    jwks_length: int = 4_000_000
    pem_length: int = 100_000
    signatures: int = 16
    recipients: int = 16
    inflated_length: int = 250_000

    def __post_init__(self) -> None:
        if self.depth < _LEAST_DEPTH:
            raise InvalidPolicyError(f"depth is at least {_LEAST_DEPTH}")


DEFAULT = Limits()
