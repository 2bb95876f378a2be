"""What `gatepass client add` and `edit` say of a client."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gatepass.cli.output import fail
from gatepass.server.domain.sessions.client import AssertionAudience
from gatepass.server.domain.sessions.client_metadata import ConsentRule, PkceRule, Profile, SubjectType
from gatepass.server.features.admin.clients import ClientChanges

Audience = Annotated[
    tuple[str, ...] | None, Parameter(help="An API that its tokens may be for [the issuer]; may be repeated.")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """What `add` sets and `edit` changes; what is not named is left as it is."""

    audience: Audience = None
    scope: Annotated[
        tuple[str, ...] | None,
        Parameter(help="A scope that its tokens may have; may be repeated. --empty-scope: none."),
    ] = None
    redirect_uri: Annotated[
        tuple[str, ...] | None,
        Parameter(help="Where people are sent back to with a code, compared byte for byte; may be repeated."),
    ] = None
    post_logout_redirect_uri: Annotated[
        tuple[str, ...] | None, Parameter(help="Where people may be sent after a logout; may be repeated.")
    ] = None
    backchannel_logout_uri: Annotated[
        str | None, Parameter(help="Where the client is told that a session has ended.")
    ] = None
    require_par: Annotated[
        bool | None, Parameter(help="Whether it must push its authorization requests (RFC 9126).")
    ] = None
    require_dpop: Annotated[bool | None, Parameter(help="Whether its tokens are always bound to a key (RFC 9449).")] = (
        None
    )
    pkce: Annotated[PkceRule | None, Parameter(help="Whether a confidential client may leave out PKCE.")] = None
    consent: Annotated[
        ConsentRule | None, Parameter(help="When people are asked to agree; never is for your own applications.")
    ] = None
    id_token_alg: Annotated[str | None, Parameter(help="What its ID tokens are signed with.")] = None
    require_signed_request_object: Annotated[
        bool | None,
        Parameter(help="Whether it must sign its authorization requests (RFC 9101), with --jwks or --jwks-uri."),
    ] = None
    request_object_signing_alg: Annotated[
        str | None,
        Parameter(help="The only algorithm that it signs its authorization requests with [any of its keys']."),
    ] = None
    authorization_signed_response_alg: Annotated[
        str | None, Parameter(help="What answers are signed with that it asks for as `response_mode=jwt` (JARM).")
    ] = None
    subject: Annotated[
        SubjectType | None, Parameter(help="Whether it knows people by names of its own (pairwise).")
    ] = None
    jwks: Annotated[
        Path | None, Parameter(help="A file with its public keys (a JWK Set): it signs, and gets no secret.")
    ] = None
    jwks_uri: Annotated[str | None, Parameter(help="Where its public keys are published.")] = None
    default_scope: Annotated[
        tuple[str, ...] | None, Parameter(help="A scope of requests that name none; may be repeated.")
    ] = None
    claims_in_id_token: Annotated[
        bool | None, Parameter(help="Whether profile claims are in ID tokens too, and not only at UserInfo.")
    ] = None
    profile: Annotated[Profile | None, Parameter(help="fapi2 refuses what the FAPI 2.0 Security Profile forbids.")] = (
        None
    )
    exchange_audience: Annotated[
        tuple[str, ...] | None, Parameter(help="An API for which it may exchange tokens (RFC 8693); may be repeated.")
    ] = None
    may_impersonate: Annotated[
        bool | None, Parameter(help="Whether the tokens that it exchanges may leave out who acts (RFC 8693).")
    ] = None
    client_uri: Annotated[str | None, Parameter(help="Its home page.")] = None
    logo_uri: Annotated[str | None, Parameter(help="Its logo; pages of this server show only their own.")] = None
    policy_uri: Annotated[str | None, Parameter(help="How it handles data about people.")] = None
    tos_uri: Annotated[str | None, Parameter(help="Its terms of service.")] = None
    contact: Annotated[tuple[str, ...] | None, Parameter(help="Who answers for it; may be repeated.")] = None
    initiate_login_uri: Annotated[str | None, Parameter(help="Where a sign-in may be begun from elsewhere.")] = None
    sector_identifier_uri: Annotated[
        str | None, Parameter(help="What clients publish that know people by the same pairwise names.")
    ] = None
    default_max_age: Annotated[
        int | None, Parameter(help="How many seconds ago people may have signed in, unless a request says.")
    ] = None
    default_acr: Annotated[
        tuple[str, ...] | None, Parameter(help="How people sign in, unless a request says; may be repeated.")
    ] = None
    require_auth_time: Annotated[bool | None, Parameter(help="Whether its ID tokens always have auth_time.")] = None
    backchannel_logout_session_required: Annotated[
        bool | None, Parameter(help="Whether logout tokens always name the session.")
    ] = None
    userinfo_alg: Annotated[str | None, Parameter(help="What answers of UserInfo are signed with.")] = None
    introspection_alg: Annotated[str | None, Parameter(help="What answers of introspection are signed with.")] = None
    token_endpoint_auth_signing_alg: Annotated[
        str | None, Parameter(help="The only algorithm that it signs its assertions with [any of its keys'].")
    ] = None
    assertion_audience: Annotated[
        AssertionAudience | None,
        Parameter(help="What its assertions name as `aud`: only the issuer, or also the URL of the token endpoint."),
    ] = None

    def changes(self) -> ClientChanges:
        """What is named, by the names of the client's fields, metadata and rules."""
        is_fapi = self.profile == "fapi2"
        return ClientChanges(
            fields=named(
                audience=_once(self.audience),
                scope=_once(self.scope),
                jwks=None if self.jwks is None else _read(self.jwks),
                assertion_audience=self.assertion_audience,
            ),
            metadata=named(
                redirect_uris=self.redirect_uri,
                post_logout_redirect_uris=self.post_logout_redirect_uri,
                backchannel_logout_uri=self.backchannel_logout_uri,
                require_pushed_authorization_requests=is_fapi or self.require_par,
                dpop_bound_access_tokens=is_fapi or self.require_dpop,
                id_token_signed_response_alg=self.id_token_alg,
                require_signed_request_object=self.require_signed_request_object,
                request_object_signing_alg=self.request_object_signing_alg,
                authorization_signed_response_alg=self.authorization_signed_response_alg,
                subject_type=self.subject,
                jwks_uri=self.jwks_uri,
                client_uri=self.client_uri,
                logo_uri=self.logo_uri,
                policy_uri=self.policy_uri,
                tos_uri=self.tos_uri,
                contacts=self.contact,
                initiate_login_uri=self.initiate_login_uri,
                sector_identifier_uri=self.sector_identifier_uri,
                default_max_age=self.default_max_age,
                default_acr_values=self.default_acr,
                require_auth_time=self.require_auth_time,
                backchannel_logout_session_required=self.backchannel_logout_session_required,
                userinfo_signed_response_alg=self.userinfo_alg,
                introspection_signed_response_alg=self.introspection_alg,
                token_endpoint_auth_signing_alg=self.token_endpoint_auth_signing_alg,
            ),
            rules=named(
                pkce=self.pkce,
                consent=self.consent,
                default_scope=_once(self.default_scope),
                claims_in_id_token=self.claims_in_id_token,
                profile=self.profile,
                exchange_audience=_once(self.exchange_audience),
                may_impersonate=self.may_impersonate,
            ),
        )


def named(**values: object) -> dict[str, Any]:
    """The values that are given, by their names."""
    return {name: value for name, value in values.items() if value is not None}


def _once(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(dict.fromkeys(names))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"Cannot read {file}: {error}.", "Name a file with a JWK Set.")
