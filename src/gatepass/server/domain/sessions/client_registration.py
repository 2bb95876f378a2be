"""What a client may be, whoever registers it: the operator, itself (RFC 7591), or its metadata document.

Each check looks at one thing, and raises or returns nothing; `check_client` is all of them in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose import KeySet
from gatepass.jose.errors import InvalidPolicyError, JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import ADMIN_IMPERSONATE, STREAM_SCOPES
from gatepass.server.base.urls import is_loopback
from gatepass.server.domain.sessions import fapi
from gatepass.server.domain.sessions.client import check_names
from gatepass.server.domain.sessions.operator import is_for_operators
from gatepass.server.domain.sessions.redirect_uri import check_redirect_uris
from gatepass.server.domain.sessions.sector import check_sector
from gatepass.verify.issuer import checked_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.server.domain.sessions.client import Client, GrantType

ASSERTION_ALGORITHMS = (
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
)
"""What clients may sign with."""
DEFAULT_SCOPE = ("openid", "profile", "email", "offline_access")
"""What a client that signs people in may ask for, if nothing else is said."""
LONGEST_NAME = 200
_LONGEST_URI = 2_000
_LONGEST_TEXT = 500
_MOST_CONTACTS = 10

_CONFIDENTIAL_ONLY: tuple[GrantType, ...] = (
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
)
"""Grants in which the client itself is who is trusted, so it has to prove that it is itself."""
_PAGES = ("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri")
_CALLED = ("jwks_uri", "sector_identifier_uri", "backchannel_logout_uri")
_OUR_ALGORITHMS = (
    "id_token_signed_response_alg",
    "userinfo_signed_response_alg",
    "introspection_signed_response_alg",
    "authorization_signed_response_alg",
)
_ITS_ALGORITHMS = ("request_object_signing_alg", "token_endpoint_auth_signing_alg")


def check_name(client: Client) -> None:
    """People read it on the page of consent, so it is one line that can be seen."""
    if not client.name.strip() or not client.name.isprintable() or len(client.name) > LONGEST_NAME:
        raise Refusal("invalid_body", f"A client's name is one line of 1 to {LONGEST_NAME} visible characters.")


def check_rights(client: Client) -> None:
    """Audiences and scopes are words, and the defaults are among what it may have."""
    check_names(audience=(*client.audience, *client.rules.exchange_audience), scope=client.scope)
    if not set(client.rules.default_scope) <= set(client.scope):
        raise Refusal("invalid_scope", "The default scopes must be among the scopes that the client may have.")
    if ADMIN_IMPERSONATE in client.scope:
        raise Refusal("invalid_scope", f"{ADMIN_IMPERSONATE} is for operators in person.")
    if is_for_operators(client.scope) and (client.grant_types != ("client_credentials",) or client.origin != "cli"):
        raise Refusal(
            "invalid_scope", "Operators' scopes are for clients with the grant type client_credentials alone."
        )
    if not STREAM_SCOPES.isdisjoint(client.scope) and (
        "client_credentials" not in client.grant_types or client.origin != "cli"
    ):
        raise Refusal("invalid_scope", "Scopes of streams are for clients with the grant type client_credentials.")
    if not STREAM_SCOPES.isdisjoint(client.rules.default_scope):
        raise Refusal("invalid_scope", "Scopes of streams are for a client's own tokens: they cannot be a default.")


def check_grant_types(client: Client) -> None:
    """RFC 6749 §4.4: what a client gets for itself needs proof; RFC 7591 §2.1: redirect URIs go with the code grant."""
    uses_codes = "authorization_code" in client.grant_types
    if client.is_public and not set(client.grant_types).isdisjoint(_CONFIDENTIAL_ONLY):
        raise _invalid("A public client cannot use client_credentials, token-exchange or jwt-bearer.")
    if uses_codes and not client.metadata.redirect_uris:
        raise Refusal("invalid_redirect_uri", "The grant type authorization_code needs a redirect URI.")
    if client.metadata.redirect_uris and not uses_codes:
        raise _invalid("Redirect URIs are for clients with the grant type authorization_code.")


def check_uris(client: Client) -> None:
    """Redirect URIs of each kind (RFC 8252, OpenID Connect RP-Initiated Logout §3)."""
    is_native = client.metadata.application_type == "native"
    check_redirect_uris(client.metadata.redirect_uris, is_native=is_native)
    check_redirect_uris(client.metadata.post_logout_redirect_uris, is_native=is_native)


def check_pages(client: Client) -> None:
    """People are led there, so they are https; what the server calls has to be a URL that it would call."""
    for name in (*_PAGES, *_CALLED):
        uri = getattr(client.metadata, name)
        if uri and (len(uri) > _LONGEST_URI or not _is_web_url(uri)):
            raise _invalid(f"{name} must be an https URL without a fragment.")


def check_texts(client: Client) -> None:
    """Nothing that is kept is without bounds."""
    metadata = client.metadata
    texts = (*metadata.contacts, *metadata.default_acr_values, metadata.software_id, metadata.software_version)
    if len(metadata.contacts) > _MOST_CONTACTS or len(metadata.default_acr_values) > _MOST_CONTACTS:
        raise _invalid(f"A client has at most {_MOST_CONTACTS} contacts and default_acr_values.")
    if any(len(text) > _LONGEST_TEXT or not text.isprintable() for text in texts):
        raise _invalid(f"Texts about a client have at most {_LONGEST_TEXT} visible characters.")
    if metadata.default_max_age is not None and not 0 <= metadata.default_max_age < 2**31:
        raise _invalid("default_max_age is a number of seconds.")


def check_authentication(client: Client) -> None:
    """RFC 7591 §2: keys by value or by reference, for who signs; a public client proves nothing."""
    has_keys = client.jwks is not None or bool(client.metadata.jwks_uri)
    if client.is_public and client.secret_digest is not None:
        raise _invalid("A public client has no secret.")
    if client.jwks is not None and client.metadata.jwks_uri:
        raise _invalid("Give jwks or jwks_uri, not both.")
    if client.metadata.require_signed_request_object and not has_keys:
        raise _invalid("A client that signs its requests needs public keys: jwks or jwks_uri.")
    if client.auth_method == "private_key_jwt" and not has_keys:
        raise _invalid("private_key_jwt needs the client's public keys: jwks or jwks_uri.")
    if client.jwks is not None:
        check_jwks(client.jwks)


def check_algorithms(client: Client) -> None:
    """Asymmetric signatures only: of a secret just a digest is kept."""
    for name in _ITS_ALGORITHMS:
        if getattr(client.metadata, name) not in ("", *ASSERTION_ALGORITHMS):
            raise _invalid(f"{name} must be one of {', '.join(ASSERTION_ALGORITHMS)}.")


def check_rules(client: Client) -> None:
    """What protects people from a client that anyone can claim to be cannot be switched off for it."""
    if client.is_public and client.rules.pkce == "optional":
        raise _invalid("A public client must use PKCE.")
    if client.is_self_registered and (client.rules.consent == "never" or client.rules.may_impersonate):
        raise _invalid("Only the operator's own clients can do without consent.")


CHECKS: tuple[Callable[[Client], None], ...] = (
    check_name,
    check_grant_types,
    check_rights,
    check_uris,
    check_pages,
    check_texts,
    check_authentication,
    check_algorithms,
    check_rules,
    fapi.check_registration,
)


def check_client(client: Client, *, our_algs: tuple[str, ...]) -> None:
    """Refuse what no client can be; `our_algs` are those that the server signs what clients read with.

    Raises:
        Refusal: `invalid_redirect_uri`, `invalid_client_metadata`, `invalid_jwks`, `invalid_audience`, `invalid_scope`,
            or `invalid_body` for the name.
    """
    for check in CHECKS:
        check(client)
    check_sector(client.metadata)
    for name in _OUR_ALGORITHMS:
        if getattr(client.metadata, name) not in ("", *our_algs):
            raise _invalid(f"{name} must be one of {', '.join(our_algs)}.")


def check_jwks(jwks: str) -> None:
    """Refuse what is not a set of public keys, all of them usable.

    Raises:
        Refusal: `invalid_jwks`.
    """
    try:
        keys = KeySet.from_public_jwks(jwks)
    except JoseError as error:
        raise Refusal("invalid_jwks", f"This is not a JWK Set: {error.code}.") from error
    if not len(keys) or keys.skipped:
        reasons = "; ".join(keys.reasons) or "there is none"
        raise Refusal("invalid_jwks", f"A client's JWK Set must hold usable public keys: {reasons}.")


def _is_web_url(uri: str) -> bool:
    try:
        parts = checked_url(uri, "url")
    except InvalidPolicyError:
        return False
    return "#" not in uri and (parts.scheme == "https" or is_loopback(parts.hostname or ""))


def _invalid(why: str) -> Refusal:
    return Refusal("invalid_client_metadata", why)
