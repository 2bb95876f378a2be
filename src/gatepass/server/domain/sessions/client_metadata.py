"""What is kept of a client beside who it is: what it says of itself, and what only the operator decides about it.

Two structs, so that nothing that a client sends can ever reach what the operator decides (mass assignment).
"""

from __future__ import annotations

from typing import Literal

import msgspec

ApplicationType = Literal["web", "native"]
SubjectType = Literal["public", "pairwise"]
ConsentRule = Literal["ask", "first-time", "never"]
PkceRule = Literal["required", "optional"]
Profile = Literal["oauth", "fapi2"]


class ClientMetadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client says of itself, by its registered names (RFC 7591 §2, OpenID Connect Registration 1.0 §2).

    Texts that are empty, and tuples that are, stand for what it did not say. `default_max_age` in seconds.
    """

    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    application_type: ApplicationType = "web"
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    contacts: tuple[str, ...] = ()
    jwks_uri: str = ""
    sector_identifier_uri: str = ""
    subject_type: SubjectType = "public"
    id_token_signed_response_alg: str = ""
    userinfo_signed_response_alg: str = ""
    introspection_signed_response_alg: str = ""
    authorization_signed_response_alg: str = ""
    request_object_signing_alg: str = ""
    token_endpoint_auth_signing_alg: str = ""
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    require_auth_time: bool = False
    initiate_login_uri: str = ""
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    dpop_bound_access_tokens: bool = False
    software_id: str = ""
    software_version: str = ""


class ClientRules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What only the operator decides about a client.

    Attributes:
        consent: When users are asked for consent: each time, the first time, or never, for own applications.
        pkce: `optional` lets a confidential client leave it out.
        default_scope: The scopes of a request that names none.
        claims_in_id_token: Whether the claims of scopes stand in ID tokens too, and not only at UserInfo.
        profile: `fapi2` refuses what the FAPI 2.0 Security Profile forbids.
        exchange_audience: What tokens of others may be exchanged for (RFC 8693).
        may_impersonate: Whether an exchanged token may leave out who acts.
    """

    consent: ConsentRule = "first-time"
    pkce: PkceRule = "required"
    default_scope: tuple[str, ...] = ()
    claims_in_id_token: bool = False
    profile: Profile = "oauth"
    exchange_audience: tuple[str, ...] = ()
    may_impersonate: bool = False
