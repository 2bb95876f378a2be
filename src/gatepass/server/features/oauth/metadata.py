"""What the issuer's metadata says of OAuth and OpenID Connect (RFC 8414 §2, OpenID Connect Discovery 1.0 §3).

Each function is one capability: its members stand in the document where it is served, and only there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from gatepass.server.domain.sessions.authorization_request import Prompt
from gatepass.server.domain.sessions.client import ACCOUNT_SCOPE, OPENID
from gatepass.server.domain.sessions.client_registration import ASSERTION_ALGORITHMS
from gatepass.server.domain.sessions.requested_claims import KEPT_CLAIMS
from gatepass.server.domain.sessions.scopes import STANDARD_SCOPES
from gatepass.server.domain.sessions.session import SINGLE_FACTOR, TWO_FACTORS
from gatepass.server.features.oauth.authorize.checks import RESPONSE_MODES
from gatepass.server.features.oauth.token import jwt_bearer
from gatepass.server.features.oauth.token.api import GRANTS
from gatepass.tokens import assertion_grant, dpop_proof

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.web.metadata import Metadata

_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
_METHODS_AND_NONE = (*_METHODS, "none")
"""Public clients send their name alone."""
_CLAIMS_OF_SIGN_INS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")


def of_tokens(settings: Settings) -> Metadata:
    """The token endpoint, revocation and introspection."""
    issuer, trusts = settings.issuer_url, bool(settings.trusted_issuers)
    endpoints = (
        ("token", _METHODS_AND_NONE),
        ("revocation", _METHODS_AND_NONE),
        ("introspection", _METHODS),
    )
    members: dict[str, object] = {
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "global_token_revocation_endpoint": f"{issuer}/oauth/revoke-global",
        "grant_types_supported": tuple(name for name in GRANTS if trusts or name != jwt_bearer.GRANT_TYPE),
        "dpop_signing_alg_values_supported": dpop_proof.ALGORITHMS,
        "protected_resources": (issuer,),
    }
    if trusts:
        members["authorization_grant_profiles_supported"] = (assertion_grant.PROFILE,)
    for name, methods in endpoints:
        members[f"{name}_endpoint_auth_methods_supported"] = methods
        members[f"{name}_endpoint_auth_signing_alg_values_supported"] = ASSERTION_ALGORITHMS
    return members


def of_authorization(issuer: str, languages: tuple[str, ...]) -> Metadata:
    """The authorization endpoint (RFC 6749 §3.1, RFC 7636, RFC 9207)."""
    return {
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "response_types_supported": ("code",),
        "response_modes_supported": RESPONSE_MODES,
        "code_challenge_methods_supported": ("S256",),
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": get_args(Prompt),
        "display_values_supported": ("page",),
        "ui_locales_supported": languages,
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "request_uri_parameter_supported": False,  # absent, it would mean true (Discovery §3)
    }


def of_pushing(settings: Settings) -> Metadata:
    """Pushed authorization requests (RFC 9126 §5)."""
    return {
        "pushed_authorization_request_endpoint": f"{settings.issuer_url}/oauth/par",
        "require_pushed_authorization_requests": settings.require_pushed_authorization_requests,
    }


def of_devices(issuer: str) -> Metadata:
    """Devices without a browser (RFC 8628 §4)."""
    return {"device_authorization_endpoint": f"{issuer}/oauth/device"}


def of_logout(issuer: str) -> Metadata:
    """Signing out: where clients send people, and that clients are told (RP-Initiated Logout, Back-Channel Logout)."""
    return {
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


def of_registration(settings: Settings) -> Metadata:
    """Clients that register themselves (RFC 7591), or are documents: where that is allowed."""
    members: dict[str, object] = {}
    if settings.dynamic_registration != "off":
        members["registration_endpoint"] = f"{settings.issuer_url}/oauth/register"
    if settings.client_id_metadata_documents != "off":
        members["client_id_metadata_document_supported"] = True
    return members


def of_openid(settings: Settings) -> Metadata:
    """ID tokens and UserInfo."""
    algs = settings.id_token_algs
    return {
        "userinfo_endpoint": f"{settings.issuer_url}/oauth/userinfo",
        "scopes_supported": STANDARD_SCOPES,  # those of APIs are told by the APIs
        "claims_supported": (*_CLAIMS_OF_SIGN_INS, *KEPT_CLAIMS, *settings.id_claims),
        "claim_types_supported": ("normal",),
        "acr_values_supported": (SINGLE_FACTOR, TWO_FACTORS),
        "subject_types_supported": ("public", "pairwise"),
        "id_token_signing_alg_values_supported": algs,
        "userinfo_signing_alg_values_supported": algs,
        "authorization_signing_alg_values_supported": algs,  # JARM §4
        "introspection_signing_alg_values_supported": algs,  # RFC 9701 §7
    }


def of_own_api(settings: Settings) -> Metadata:
    """The server's own calls, as an API that tokens are for (RFC 9728 §2)."""
    issuer = settings.issuer_url
    return {
        "resource": issuer,
        "authorization_servers": (issuer,),
        "scopes_supported": (OPENID, ACCOUNT_SCOPE),
        "bearer_methods_supported": ("header",),
        "dpop_signing_alg_values_supported": dpop_proof.ALGORITHMS,
        "resource_name": settings.site_name,
        "resource_documentation": f"{issuer}/docs",
    }
