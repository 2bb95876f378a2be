"""The checks of an authorization request, in their order. Each looks at one thing, and raises or returns nothing.

They come after the redirect URI has been found to be the client's, so their refusals go back to the client.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.authorization_request import (
    OFFLINE_ACCESS,
    OPENID,
    AuthorizationRequest,
    Prompt,
)
from gatepass.server.domain.sessions.client_policy import as_registered
from gatepass.server.domain.sessions.operator import everyday
from gatepass.server.domain.sessions.requested_claims import read_claims
from gatepass.server.domain.sessions.session import SINGLE_FACTOR, TWO_FACTORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.server.domain.sessions.authorization_request import ResponseMode
    from gatepass.server.domain.sessions.requested_claims import RequestedClaims
    from gatepass.server.features.oauth.authorize.parameters import Asked

RESPONSE_MODES: tuple[ResponseMode, ...] = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
ACR_VALUES = (SINGLE_FACTOR, TWO_FACTORS)
_LONGEST_NONCE = 512
_LONGEST_STATE = 2_048
_LARGEST_MAX_AGE = 2**31
_SECONDS = re.compile(r"[0-9]{1,10}")
_LONGEST_LOGIN_HINT = 256
_LONGEST_ORGANIZATION = 64
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^#]+")
"""RFC 3986 §4.3, as far as it matters before it is compared."""
_S256 = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 digest in base64url: a PKCE challenge (RFC 7636 §4.2), the thumbprint of a key (RFC 7638)."""


def check_no_parameter_twice(asked: Asked) -> None:
    """RFC 6749 §3.1: a parameter that stands twice has no meaning."""
    if asked.parameters.repeated:
        raise _invalid("A parameter appears twice.")


def check_pushed(asked: Asked) -> None:
    """RFC 9126 §6: some clients, or all, have to push their requests."""
    wanted = asked.must_be_pushed or asked.client.metadata.require_pushed_authorization_requests
    if wanted and not asked.is_pushed:
        raise _invalid("The request has to be pushed to /oauth/par (RFC 9126).")


def check_signed(asked: Asked) -> None:
    """RFC 9101 §10.5: some clients have to sign their requests, so that nobody else makes one in their name."""
    if asked.client.metadata.require_signed_request_object and not asked.parameters.is_signed:
        raise _invalid("The request has to be signed: send a request object (RFC 9101).")


def check_response_type(asked: Asked) -> None:
    """Only codes: nothing else keeps tokens out of URLs (RFC 9700 §2.1.2)."""
    response_type = asked.parameters.get("response_type")
    if not response_type:
        raise _invalid("The request needs a response_type: code.")
    if response_type != "code":
        raise Refusal("unsupported_response_type", "The only response_type here is code.")


def check_response_mode(asked: Asked) -> None:
    """OAuth Multiple Response Types §2.1, Form Post Response Mode, JARM §2.3."""
    if asked.parameters.get("response_mode") not in ("", *RESPONSE_MODES):
        raise _invalid(f"The response_mode is one of {', '.join(RESPONSE_MODES)}.")


def check_pkce(asked: Asked) -> None:
    """RFC 7636, by S256 only; only a confidential client that the operator knows may leave it out (RFC 9700 §2.1.1)."""
    challenge, method = asked.parameters.get("code_challenge"), asked.parameters.get("code_challenge_method")
    if not challenge and not method:
        if asked.client.is_public or asked.client.rules.pkce == "required":
            raise _invalid("The request needs a code_challenge with code_challenge_method=S256 (RFC 7636).")
        return
    if method != "S256" or not _S256.fullmatch(challenge):
        raise _invalid("The code_challenge is 43 characters of base64url, and its method S256.")


def check_scope(asked: Asked) -> None:
    """RFC 6749 §3.3; what we do not know is ignored beside `openid` (OpenID Connect Core §3.1.2.1).

    Offline access is left out in silence where it is not to be had (Core §11): many clients always ask for it.
    """
    wanted = [scope for scope in asked.parameters.words("scope") if scope != OFFLINE_ACCESS]
    may = everyday(asked.client.scope)
    if any(scope in asked.known_scopes and scope not in may for scope in wanted):
        raise Refusal("invalid_scope", "The client may not ask for all of these scopes.")
    if OPENID not in wanted and any(scope not in asked.known_scopes for scope in wanted):
        raise Refusal("invalid_scope", "Not all of these scopes are known here.")


def check_scope_of_resource(asked: Asked) -> None:
    """A scope of an API goes with that API, where the request names any."""
    wanted, resources = asked.parameters.words("scope"), registered_resources(asked)
    for scope in wanted if resources else ():
        owners = [api.audience for api in asked.apis if scope in api.scope]
        if owners and not set(owners) & set(resources):
            raise Refusal("invalid_scope", "A scope belongs to an API that the request does not name as a resource.")


def check_resource(asked: Asked) -> None:
    """RFC 8707 §2: absolute URIs without a fragment, of those that the client's tokens may be for."""
    for resource in asked.parameters.resource:
        if not _ABSOLUTE_URI.fullmatch(resource) or _registered_resource(asked, resource) is None:
            raise Refusal("invalid_target", "The client may not ask for tokens for this resource.")


def check_nonce_and_state(asked: Asked) -> None:
    """Kept whole or refused: a shortened one would look like another's."""
    if len(asked.parameters.get("nonce").encode()) > _LONGEST_NONCE:
        raise _invalid(f"A nonce has at most {_LONGEST_NONCE} bytes.")
    if len(asked.parameters.get("state").encode()) > _LONGEST_STATE:
        raise _invalid(f"A state has at most {_LONGEST_STATE} bytes.")


def check_prompt(asked: Asked) -> None:
    """OpenID Connect Core §3.1.2.1, Initiating User Registration 1.0."""
    prompts = asked.parameters.words("prompt")
    if not set(prompts) <= set(get_args(Prompt)):
        raise _invalid("There is no such prompt.")
    if "none" in prompts and len(prompts) > 1:
        raise _invalid("prompt=none goes with no other.")


def check_max_age(asked: Asked) -> None:
    """OpenID Connect Core §3.1.2.1."""
    text = asked.parameters.get("max_age")
    if text and not (_SECONDS.fullmatch(text) and int(text) < _LARGEST_MAX_AGE):
        raise _invalid("max_age is a number of seconds.")


def check_registration(asked: Asked) -> None:
    """OpenID Connect Core §7.2.1 is for self-issued identifiers, which are none of ours."""
    if asked.parameters.get("registration"):
        raise Refusal("registration_not_supported", "The parameter registration is not supported.")


def check_claims(asked: Asked) -> None:
    """OpenID Connect Core §5.5: an object of objects of null or objects."""
    read_claims(asked.parameters.get("claims"))


def check_essential_acr(asked: Asked) -> None:
    """OpenID Connect Core §5.5.1.1: where nobody can meet what is essential, nobody is signed in."""
    essential = read_claims(asked.parameters.get("claims")).essential_acr
    if essential is not None and not set(essential) & set(ACR_VALUES):
        raise Refusal(
            "unmet_authentication_requirements", f"The claim acr is essential, and is one of {', '.join(ACR_VALUES)}."
        )


def check_id_token_hint(asked: Asked) -> None:
    """OpenID Connect Core §3.1.2.1: an ID token of ours for this client, however old."""
    if hint := asked.parameters.get("id_token_hint"):
        asked.subject_of_hint(hint)


def check_dpop_jkt(asked: Asked) -> None:
    """RFC 9449 §10: a thumbprint, and that of the key which the client proved to have when it pushed the request."""
    jkt = asked.parameters.get("dpop_jkt")
    if jkt and not _S256.fullmatch(jkt):
        raise _invalid("dpop_jkt is the SHA-256 thumbprint of a key.")
    if jkt and asked.proven_key not in ("", jkt):
        raise Refusal("invalid_dpop_proof", "dpop_jkt names another key than the DPoP proof shows.")


def check_organization(asked: Asked) -> None:
    """Kept whole or refused. Whether the person is a member is known when they have signed in."""
    organization = asked.parameters.get("organization")
    if len(organization) > _LONGEST_ORGANIZATION or not organization.isprintable() or " " in organization:
        raise _invalid("organization is the id or slug of an organization.")


def check_authorization_details(asked: Asked) -> None:
    """RFC 9396 is not done here, and to overlook a limit that a client has set would give it more than it asked for."""
    if asked.parameters.get("authorization_details"):
        raise _invalid("The parameter authorization_details (RFC 9396) is not supported.")


CHECKS: tuple[Callable[[Asked], None], ...] = (
    check_no_parameter_twice,
    check_pushed,
    check_signed,
    check_response_type,
    check_response_mode,
    check_pkce,
    check_scope,
    check_resource,
    check_scope_of_resource,
    check_nonce_and_state,
    check_prompt,
    check_max_age,
    check_registration,
    check_claims,
    check_essential_acr,
    check_id_token_hint,
    check_dpop_jkt,
    check_organization,
    check_authorization_details,
)


DEVICE_CHECKS: tuple[Callable[[Asked], None], ...] = (
    check_scope,
    check_resource,
    check_scope_of_resource,
    check_nonce_and_state,
    check_dpop_jkt,
)
"""Those that concern a device, which has no redirect URI and no browser (RFC 8628 §3.1)."""


def check_request(asked: Asked, redirect_uri: str) -> AuthorizationRequest:
    """Check everything, and say in our words what is asked.

    Raises:
        Refusal: with the codes of RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6 and RFC 8707 §2.
    """
    for check in CHECKS:
        check(asked)
    parameters, client = asked.parameters, asked.client
    scope = requested_scope(asked)
    claims = read_claims(parameters.get("claims"))
    return AuthorizationRequest(
        client_id=client.id,
        redirect_uri=redirect_uri,
        scope=scope,
        response_mode=cast("ResponseMode", parameters.get("response_mode") or "query"),
        state=parameters.values.get("state"),
        nonce=parameters.get("nonce"),
        resource=registered_resources(asked),
        code_challenge=parameters.get("code_challenge"),
        prompt=cast("tuple[Prompt, ...]", parameters.words("prompt")),
        max_age=int(parameters.get("max_age")) if parameters.get("max_age") else None,
        acr_values=_acr_values(asked, claims),
        login_hint=_login_hint(asked),
        ui_locales=parameters.words("ui_locales"),
        claims=parameters.get("claims"),
        claims_scope=tuple(each for each in claims.scopes if each in client.scope and each not in scope),
        subjects=_subjects(asked, claims),
        dpop_jkt=parameters.get("dpop_jkt") or asked.proven_key,
        organization=parameters.get("organization"),
    )


def requested_scope(asked: Asked) -> tuple[str, ...]:
    """The scopes that the client may have of those that it asked for; where it asked for none, its default."""
    wanted = asked.parameters.words("scope")
    return tuple(scope for scope in wanted if scope in asked.client.scope) or asked.client.rules.default_scope


def registered_resources(asked: Asked) -> tuple[str, ...]:
    """The resources that were asked for, as they are registered."""
    return tuple(_registered_resource(asked, resource) or "" for resource in asked.parameters.resource)


def _registered_resource(asked: Asked, resource: str) -> str | None:
    return as_registered(resource, asked.client.audience_at(asked.issuer))


def _acr_values(asked: Asked, claims: RequestedClaims) -> tuple[str, ...]:
    """The values that count: what we do not know is ignored, and one that is met is enough (RFC 9470 §5).

    Where the parameter and an essential claim ask for different ones, the stricter counts.
    """
    asked_for, essential = asked.parameters.words("acr_values"), claims.essential_acr or ()
    wanted = [asked_for, essential] if asked_for or essential else [_default_acr(asked)]
    known = [tuple(value for value in ACR_VALUES if value in values) for values in wanted]
    return max(known, key=lambda values: min(values, default=""))


def _default_acr(asked: Asked) -> tuple[str, ...]:
    return asked.client.metadata.default_acr_values


def _login_hint(asked: Asked) -> str:
    """One that is no address is ignored, so that it makes no URL too long."""
    hint = asked.parameters.get("login_hint")
    return hint if len(hint) <= _LONGEST_LOGIN_HINT else ""


def _subjects(asked: Asked, claims: RequestedClaims) -> tuple[str, ...]:
    """Whom the client expects, as it knows them: whoever is meant by everything that says so.

    Raises:
        Refusal: `login_required`, where that is nobody (OpenID Connect Core §5.5.1).
    """
    hint = asked.parameters.get("id_token_hint")
    named = [
        subjects
        for subjects in ((asked.subject_of_hint(hint),) if hint else None, claims.subjects)
        if subjects is not None
    ]
    expected = set(named[0]).intersection(*named) if named else set[str]()
    if named and not expected:
        raise Refusal("login_required", "The request expects nobody, or several people at once.")
    return tuple(sorted(expected))


def _invalid(why: str) -> Refusal:
    return Refusal("invalid_request", why)
