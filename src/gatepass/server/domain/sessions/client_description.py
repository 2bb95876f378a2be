"""What a client says of itself, and what becomes of it here: the same for a body and for a metadata document.

Only what is named below is read. So nothing that the operator decides, an audience or the rule of consent say, can come
from a client (mass assignment, CVE-2021-27582).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.urls import is_loopback
from gatepass.server.domain.sessions import fapi
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.client_registration import DEFAULT_SCOPE, check_client
from gatepass.server.domain.sessions.redirect_uri import host_of, is_claimed_https

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.client import AuthMethod, Client, GrantType

_GRANTS: tuple[GrantType, ...] = (
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
)
"""What clients may do that no operator has looked at: only what a person agrees to each time anew."""
_METHODS: tuple[AuthMethod, ...] = ("client_secret_basic", "client_secret_post", "private_key_jwt", "none")


class ClientDescription(Confidential, frozen=True, kw_only=True):
    """RFC 7591 §2, OpenID Connect Registration 1.0 §2, by these names; what we do not know is left out.

    `client_id` and `client_secret` are for an update, which names them again (RFC 7592 §2.2).
    """

    client_id: str | None = None
    client_secret: str | None = None
    client_name: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    post_logout_redirect_uris: tuple[str, ...] | None = None
    grant_types: tuple[str, ...] | None = None
    response_types: tuple[str, ...] | None = None
    token_endpoint_auth_method: str | None = None
    application_type: str | None = None
    scope: str | None = None
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    sector_identifier_uri: str | None = None
    subject_type: str | None = None
    id_token_signed_response_alg: str | None = None
    userinfo_signed_response_alg: str | None = None
    introspection_signed_response_alg: str | None = None
    authorization_signed_response_alg: str | None = None
    request_object_signing_alg: str | None = None
    token_endpoint_auth_signing_alg: str | None = None
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] | None = None
    require_auth_time: bool | None = None
    initiate_login_uri: str | None = None
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool | None = None
    require_pushed_authorization_requests: bool | None = None
    require_signed_request_object: bool | None = None
    dpop_bound_access_tokens: bool | None = None
    software_id: str | None = None
    software_version: str | None = None


def described(
    client: Client, said: ClientDescription, *, issuer: str, our_algs: tuple[str, ...], usual_method: str
) -> Client:
    """Return the client as it is described now: everything anew, and what is not said as usual (RFC 7592 §2.2).

    Args:
        client: The client so far: its identifier, its secret, and all that it has no say in.
        said: What it says; an empty text is not said.
        issuer: This server.
        our_algs: What the server can sign with.
        usual_method: How a client proves itself that does not say how.

    Raises:
        Refusal: `invalid_redirect_uri` or `invalid_client_metadata`.
    """
    kept = {
        name: value
        for name in ClientMetadata.__struct_fields__
        if (value := getattr(said, name)) not in (None, "") and name != "application_type"
    }
    kept["application_type"] = _application_type(said, issuer)
    try:
        metadata = msgspec.convert(kept, ClientMetadata)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)[:200]) from error
    described_so = msgspec.structs.replace(
        client,
        name=said.client_name or _host_named(said),
        grant_types=_grant_types(said),
        scope=_scope(said),
        auth_method=_auth_method(said, usual_method),
        jwks=None if said.jwks is None else msgspec.json.encode(said.jwks).decode(),
        metadata=metadata,
    )
    result = fapi.completed(described_so, our_algs)
    try:
        check_client(result, our_algs=our_algs)
    except Refusal as error:
        code = error.code if error.code == "invalid_redirect_uri" else "invalid_client_metadata"
        raise Refusal(code, error.detail) from error
    return result


def _application_type(said: ClientDescription, issuer: str) -> str:
    """What it says to be, or can only be: a program on somebody's device, of which web applications know nothing.

    In development a web application is on loopback too, as the issuer is.
    """
    uris = said.redirect_uris or ()
    is_on_devices = any(not is_claimed_https(uri) for uri in uris)
    is_development = is_loopback(urlsplit(issuer).hostname or "")
    if not said.application_type:
        return "native" if is_on_devices else "web"
    if said.application_type == "web" and is_on_devices and not is_development:
        raise Refusal("invalid_redirect_uri", "The redirect URIs of a web application begin with https.")
    return said.application_type


def _grant_types(said: ClientDescription) -> tuple[GrantType, ...]:
    wanted = said.grant_types or ("authorization_code",)
    granted: tuple[GrantType, ...] = tuple(grant for grant in _GRANTS if grant in wanted)
    if set(granted) <= {"refresh_token"}:
        raise _invalid(f"A client that registers itself uses one of {', '.join(_GRANTS)}.")
    uses_codes = "authorization_code" in granted
    if uses_codes and said.response_types and "code" not in said.response_types:
        raise _invalid("The only response type is code.")
    return granted


def _scope(said: ClientDescription) -> tuple[str, ...]:
    """The scopes about people that it may ask for; those of APIs that are open to anyone come from the APIs."""
    return DEFAULT_SCOPE if not said.scope else tuple(each for each in DEFAULT_SCOPE if each in said.scope.split())


def _auth_method(said: ClientDescription, usual: str) -> AuthMethod:
    method = said.token_endpoint_auth_method or usual
    if method not in _METHODS:
        raise _invalid(f"The token_endpoint_auth_method is one of {', '.join(_METHODS)}.")
    return method


def _host_named(said: ClientDescription) -> str:
    """What people read of a client that gives no name: where it sends them."""
    uris = (*(said.redirect_uris or ()), said.client_uri or "")
    return next((host for host in map(host_of, uris) if host), "?")


def _invalid(why: str) -> Refusal:
    return Refusal("invalid_client_metadata", why)
