"""The FAPI 2.0 Security Profile: what a client with the profile `fapi2` may not do of what others may.

A list of refusals over what is built; it adds no flow. This file says what, and each function where it is asked. What
holds for every client is not repeated: the code flow alone, PKCE by S256 alone, codes of a minute that are good once,
`iss` in each answer, redirects by 303.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import RotationPolicy

ALGORITHMS = ("ES256", "PS256", "Ed25519")
"""§5.4.1: no other may sign; RS256 least of all."""
_NAMES = (*ALGORITHMS, "EdDSA")
"""As headers may spell them."""
_SIGNED_BY_IT = ("token_endpoint_auth_signing_alg", "request_object_signing_alg")
_ALWAYS_SIGNED = (
    "id_token_signed_response_alg",
    "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)
"""Where a client names no algorithm for these, RS256 is meant."""
_NEVER = 1e12
"""Seconds: tens of thousands of years."""


def is_held_to(client: Client) -> bool:
    """Whether the profile binds a client."""
    return client.rules.profile == "fapi2"


def completed(client: Client, our_algs: tuple[str, ...]) -> Client:
    """§5.4.1: the client with an algorithm that the profile allows wherever it names none; ours are `our_algs`."""
    usual = next((alg for alg in our_algs if alg in ALGORITHMS), "")
    if not is_held_to(client) or not usual:
        return client
    missing = {name: usual for name in _ALWAYS_SIGNED if not getattr(client.metadata, name)}
    return msgspec.structs.replace(client, metadata=msgspec.structs.replace(client.metadata, **missing))


def check_registration(client: Client) -> None:
    """§5.3.2.1, §5.3.2.2: whom it leaves; asked whenever a client is registered or changed.

    Raises:
        Refusal: `invalid_client_metadata` or `invalid_redirect_uri`.
    """
    if not is_held_to(client):
        return
    metadata = client.metadata
    if client.auth_method != "private_key_jwt":
        raise _invalid("private_key_jwt: give --jwks or --jwks-uri")
    if not all(uri.startswith("https://") for uri in metadata.redirect_uris):
        raise Refusal("invalid_redirect_uri", "The profile fapi2 needs https redirect URIs.")
    if not (metadata.require_pushed_authorization_requests and metadata.dpop_bound_access_tokens):
        raise _invalid("pushed requests and DPoP")
    if client.rules.pkce != "required":
        raise _invalid("PKCE")
    if client.assertion_audience != "issuer":
        raise _invalid("assertions for the issuer alone")
    for name in (*_SIGNED_BY_IT, "userinfo_signed_response_alg", *_ALWAYS_SIGNED):
        named = getattr(metadata, name)
        if named not in ALGORITHMS and (named or name in _ALWAYS_SIGNED):
            raise _invalid(f"one of {', '.join(ALGORITHMS)} as {name}")


def may_sign(client: Client, alg: object) -> bool:
    """§5.4.1: asked of the client's assertions and request objects."""
    return not is_held_to(client) or alg in _NAMES


def may_be_audience(client: Client, audience: object, issuer: str) -> bool:
    """§5.3.2.1: an assertion is for the issuer, as a text; asked when it authenticates the client."""
    return not is_held_to(client) or audience == issuer


def may_be_undated(client: Client) -> bool:
    """FAPI 2.0 Message Signing §5.3.1: a request object says since when it counts (`nbf`); asked of each."""
    return not is_held_to(client)


def rotation(client: Client, pace: RotationPolicy) -> RotationPolicy:
    """§5.3.2.1: refresh tokens are not rotated, since the client proves to be itself; asked at each refresh."""
    return msgspec.structs.replace(pace, quiet=_NEVER) if is_held_to(client) else pace


def _invalid(needs: str) -> Refusal:
    return Refusal("invalid_client_metadata", f"The profile fapi2 needs {needs}.")
