"""Every error code with its status and meaning, and errors as problem documents (RFC 9457).

This is the only place in the server that knows status codes. A code never changes its meaning; texts may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from gatepass.server.domain.sessions.client import ACCOUNT_SCOPE, OPENID
from gatepass.tokens.dpop_proof import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProblemKind(msgspec.Struct, frozen=True):
    """A kind of problem: HTTP status, title for people, and what it means for the caller."""

    status: int
    title: str
    meaning: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error answer, `application/problem+json`."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    request_id: str = ""


PROBLEMS: Mapping[str, ProblemKind] = {
    # what was sent
    "malformed_request": ProblemKind(
        400, "Malformed request", "The bytes are not the HTTP or JSON that they claim to be."
    ),
    "duplicate_header": ProblemKind(400, "Header sent twice", "A header that may stand once stands twice."),
    "invalid_body": ProblemKind(
        422, "Invalid body", "The JSON has a wrong type, lacks a field or has one that is unknown."
    ),
    "not_found": ProblemKind(404, "Not found", "There is nothing at this path."),
    "method_not_allowed": ProblemKind(405, "Method not allowed", "The path knows other methods; `Allow` lists them."),
    "request_timeout": ProblemKind(408, "Request timeout", "The request did not arrive in time."),
    "body_too_large": ProblemKind(413, "Body too large", "The body is over `max_body_bytes`."),
    "unsupported_media_type": ProblemKind(415, "Unsupported media type", "Bodies are `application/json` in UTF-8."),
    "headers_too_large": ProblemKind(
        431, "Headers too large", "The request line and headers are over 32 KiB together."
    ),
    # signing up
    "invalid_email": ProblemKind(422, "Invalid e-mail address", "The e-mail address cannot be one."),
    "invalid_role": ProblemKind(422, "Invalid role", "A role is 1 to 64 letters, digits, and any of `_ . : -`."),
    "password_too_short": ProblemKind(
        422, "Password too short", "The password has fewer than `password_min_length` characters."
    ),
    "password_too_long": ProblemKind(422, "Password too long", "The password has more than 1,024 characters."),
    "password_too_common": ProblemKind(
        422,
        "Password too common",
        "The password is on the list of those that are tried first, or made of the address or the service's name.",
    ),
    "password_leaked": ProblemKind(
        422, "Password leaked", "The service at `leaked_passwords_url` knows the password from a leak."
    ),
    "unknown_password_hash": ProblemKind(
        422, "Unknown password hash", "The hash is in no format that can be imported, or its cost is out of bounds."
    ),
    "email_taken": ProblemKind(409, "E-mail address in use", "There is an account with this address."),
    "signup_by_mail_only": ProblemKind(
        403, "Sign up by mail", "Where accounts begin with a mail, passkeys are added after that."
    ),
    "signup_closed": ProblemKind(403, "Sign-up closed", "Only the operator adds people here (`signup`)."),
    "signup_refused": ProblemKind(
        403, "Sign-up refused", "The operator's own service does not let this one in (`signup_check_url`)."
    ),
    "signup_check_unavailable": ProblemKind(
        503, "Sign-up check unavailable", "The operator's own service cannot be asked (`signup_check_url`)."
    ),
    "email_domain_not_allowed": ProblemKind(
        403, "Domain not allowed", "People sign up here with addresses of certain domains only (`signup_domains`)."
    ),
    # signing in
    "invalid_credentials": ProblemKind(401, "Invalid credentials", "No such pair of e-mail address and password."),
    "account_disabled": ProblemKind(
        403, "Account disabled", "The password is right and the operator has disabled the account."
    ),
    "account_locked": ProblemKind(
        403, "Account locked", "The password is right and the owner has locked the account; a new password opens it."
    ),
    "too_many_attempts": ProblemKind(
        429, "Too many attempts", "Too many attempts have failed; `Retry-After` says when the next may be made."
    ),
    "mail_not_configured": ProblemKind(501, "No mail", "This server has no mail server (`smtp_url`)."),
    "invalid_code": ProblemKind(403, "Invalid code", "The link or code is wrong, too old, used, or another browser's."),
    "recent_sign_in_required": ProblemKind(
        401, "Recent sign-in required", "The sign-in is older than `recent_sign_in_seconds`: sign in again."
    ),
    "second_factor_required": ProblemKind(
        403,
        "Second factor required",
        "The person has a second factor: after a first proof `/login/factor` takes it, in a session `/reauthenticate`.",
    ),
    "invalid_challenge": ProblemKind(
        403, "Invalid challenge", "The challenge of a sign-in is too old, used, or another browser's: sign in again."
    ),
    "invalid_passkey": ProblemKind(
        403, "Invalid passkey", "The passkey is not known here, or its answer is not to what was asked."
    ),
    "passkeys_unavailable": ProblemKind(
        501, "No passkeys", "The issuer is an IP address, and browsers make passkeys for names only."
    ),
    "factor_exists": ProblemKind(409, "Factor exists", "There is one of this kind already, or this very one."),
    "factor_not_found": ProblemKind(404, "Factor not found", "The person has nothing of this kind and id."),
    "too_many_passkeys": ProblemKind(409, "Too many passkeys", "A person has at most 20 passkeys."),
    "form_expired": ProblemKind(403, "Form expired", "The form of a page is too old, or another browser's."),
    # other sites
    "unknown_provider": ProblemKind(404, "Unknown provider", "No provider of this id is set (`providers`)."),
    "provider_unavailable": ProblemKind(
        502, "Provider unavailable", "The provider is away, too slow, or answers what cannot be; the log says which."
    ),
    "provider_denied": ProblemKind(
        403, "Provider denied", "The provider did not confirm the sign-in, or the settings do not let its account in."
    ),
    "invalid_state": ProblemKind(
        403, "Invalid state", "A provider's answer is to nothing that this browser asked, too late, or used."
    ),
    "invalid_id_token": ProblemKind(
        403, "Invalid ID token", "The ID token is not the provider's, not for this server, too old, or was used before."
    ),
    "email_not_verified": ProblemKind(
        403,
        "E-mail address not verified",
        "The provider does not vouch for an address, and the account there is not known here.",
    ),
    "account_exists": ProblemKind(
        409, "Account exists", "The address has an account here: its owner signs in to it, and then connects the two."
    ),
    "identity_taken": ProblemKind(409, "Identity taken", "The account elsewhere is connected to another one here."),
    "identity_not_found": ProblemKind(404, "Identity not found", "The person has no such account connected."),
    "too_many_identities": ProblemKind(409, "Too many identities", "A person has at most 20 accounts elsewhere."),
    "last_way_in": ProblemKind(
        409, "Last way in", "Nothing else would open the account: no password, no passkey, no mail."
    ),
    "unknown_client": ProblemKind(400, "Unknown client", "There is no client of this `client_id`."),
    "invalid_audience": ProblemKind(400, "Invalid audience", "The client may not ask for tokens for this `audience`."),
    "invalid_scope": ProblemKind(400, "Invalid scope", "The client may not ask for this `scope`."),
    "cross_site_request": ProblemKind(
        403,
        "Cross-site request",
        "Cookie mode is for pages of the issuer's own site: `Gatepass-Request: 1` and its `Origin`.",
    ),
    "user_not_found": ProblemKind(404, "User not found", "Nobody has this e-mail address."),
    "client_not_found": ProblemKind(404, "Client not found", "There is no client of this id."),
    "invalid_jwks": ProblemKind(422, "Invalid JWK Set", "The client's keys are no JWK Set of public keys."),
    # staying signed in
    "missing_token": ProblemKind(401, "No token", "The call needs `Authorization: Bearer …`."),
    "invalid_token": ProblemKind(401, "Invalid token", "The access token is not valid here, or has expired."),
    "insufficient_scope": ProblemKind(403, "Insufficient scope", "The token is good and does not carry this right."),
    "missing_refresh_token": ProblemKind(401, "No refresh token", "Neither the body nor a cookie holds one."),
    "invalid_refresh_token": ProblemKind(
        401, "Invalid refresh token", "It is not one of ours, or was handed out in another way."
    ),
    "refresh_token_reused": ProblemKind(
        401, "Refresh token reused", "Two parties hold this token, so the session has been ended: sign in again."
    ),
    "session_ended": ProblemKind(401, "Session ended", "The session was ended or has expired: sign in again."),
    "token_too_large": ProblemKind(
        403, "Token too large", "Roles, scopes and audiences together make a token of over 7 KiB: take some away."
    ),
    "session_not_found": ProblemKind(404, "Session not found", "The person has no live session of this id."),
    # OAuth (RFC 6749 §5.2, RFC 8707 §2): these answer as `error` in OAuth's own form
    "invalid_request": ProblemKind(
        400, "Invalid request", "A parameter is missing, stands twice, or contradicts another."
    ),
    "invalid_client": ProblemKind(401, "Invalid client", "The client is unknown, or did not prove to be itself."),
    "invalid_grant": ProblemKind(
        400,
        "Invalid grant",
        "The refresh token is not valid, or not this client's; the description names our own code.",
    ),
    "invalid_dpop_proof": ProblemKind(
        400,
        "Invalid DPoP proof",
        "It does not show, for this request, that its sender has the key; or was used before.",
    ),
    "too_many_requests": ProblemKind(
        429, "Too many requests", "The client has as many pushed requests waiting as it may; `Retry-After` says when."
    ),
    "unsupported_response_type": ProblemKind(
        400, "Unsupported response type", "The only `response_type` is `code` (RFC 6749 §4.1.2.1)."
    ),
    "registration_not_supported": ProblemKind(
        400,
        "Registration not supported",
        "The parameter `registration` is not supported (OpenID Connect Core §3.1.2.6).",
    ),
    "request_uri_not_supported": ProblemKind(
        400, "Request URI not supported", "A `request_uri` is one that `/oauth/par` has given out."
    ),
    "invalid_redirect_uri": ProblemKind(
        400, "Invalid redirect URI", "The `redirect_uri` is missing, or none that the client has registered."
    ),
    "interaction_expired": ProblemKind(
        400, "Sign-in expired", "The pages after an authorization request are too old, or another browser's."
    ),
    "interaction_used": ProblemKind(400, "Sign-in completed", "The authorization request was answered before."),
    "access_denied": ProblemKind(
        400, "Access denied", "The person does not agree, or may not use the client (RFC 6749 §4.1.2.1)."
    ),
    "login_required": ProblemKind(
        400, "Login required", "Nobody is signed in, or not lately enough, and `prompt=none` forbids to ask."
    ),
    "consent_required": ProblemKind(
        400, "Consent required", "The person has not agreed to this, and `prompt=none` forbids to ask."
    ),
    "interaction_required": ProblemKind(
        400, "Interaction required", "A page would have to be shown, and `prompt=none` forbids that."
    ),
    "account_selection_required": ProblemKind(
        400, "Account selection required", "The account would have to be chosen, and `prompt=none` forbids to ask."
    ),
    "unmet_authentication_requirements": ProblemKind(
        400,
        "Unmet authentication requirements",
        "The person cannot prove who they are as strongly as `acr_values` or the claim `acr` ask for.",
    ),
    "unauthorized_client": ProblemKind(400, "Unauthorized client", "The client was not given this grant type."),
    "unsupported_grant_type": ProblemKind(400, "Unsupported grant type", "The grant type is none that is served here."),
    "invalid_target": ProblemKind(
        400, "Invalid target", "The client may not ask for tokens for this `resource` or `audience`."
    ),
    # the server's own trouble
    "internal_error": ProblemKind(500, "Internal error", "A defect of ours; the log has it under the `request_id`."),
    "busy": ProblemKind(
        503, "Busy", "More people are signing in than can be checked; `Retry-After` says when to try again."
    ),
    "too_many_connections": ProblemKind(
        503, "Too many connections", "The process has as many connections as it takes (`max_connections`)."
    ),
    "too_many_streams": ProblemKind(
        503,
        "Too many streams",
        "All streams for this reader are taken (`max_streams`, `streams_per_address`); clients that authenticate have places of their own.",
    ),
    "store_unavailable": ProblemKind(
        503, "Store unavailable", "The database is locked, full or away; nothing was written."
    ),
    "too_many_revoked_tokens": ProblemKind(
        503,
        "Too many revoked tokens",
        "As many tokens are revoked by themselves as readers can be told of; the token still lives.",
    ),
    "store_settling": ProblemKind(
        503,
        "Store settling",
        "PostgreSQL has just failed over and may have lost writes; refreshes wait for `failover_rest_seconds`.",
    ),
    "signer_unavailable": ProblemKind(
        503,
        "Signer unavailable",
        "The signing key is held elsewhere and cannot be reached; the same request may be sent again.",
    ),
}


_CHALLENGES = {
    "recent_sign_in_required": 'Bearer error="insufficient_user_authentication"',
    "invalid_token": 'Bearer error="invalid_token"',
    "invalid_client": 'Basic realm="gatepass"',
    "insufficient_scope": f'Bearer error="insufficient_scope", scope="{ACCOUNT_SCOPE}"',
}
"""RFC 6750 §3.1: a challenge names an error only when there was a token to find fault with."""
OAUTH_PREFIX = "/oauth/"

_OAUTH_ERRORS = frozenset(
    {
        "insufficient_scope",
        "invalid_client",
        "invalid_dpop_proof",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "registration_not_supported",
        "request_uri_not_supported",
        "unsupported_response_type",
        "invalid_token",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


def problem(
    code: str,
    detail: str = "",
    *,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """Answer with the problem of this code; `extra` are members beyond those of every problem (RFC 9457 §3.2)."""
    kind = PROBLEMS[code]
    body = Problem(f"urn:gatepass:problem:{code}", kind.title, kind.status, code, detail, request_id)
    content = msgspec.json.encode(body if extra is None else {**msgspec.to_builtins(body), **extra})
    response = Response(content, kind.status, media_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    if kind.status == 401 or code in _CHALLENGES:  # noqa: PLR2004 - RFC 9110 §15.5.2: a 401 names a scheme
        response.headers["WWW-Authenticate"] = _CHALLENGES.get(code, "Bearer")
    response.headers.update(headers or {})
    return response


def offer_dpop(response: Response, authorization: str) -> None:
    """Challenge to DPoP too, where no token came; where one came by DPoP, find fault with it there (RFC 9449 §7.1)."""
    challenge = response.headers.get("www-authenticate")
    algs = f'algs="{" ".join(ALGORITHMS)}"'
    if challenge == "Bearer":
        response.headers.append("www-authenticate", f"DPoP {algs}")
    elif challenge is not None and authorization.lower().startswith("dpop "):
        response.headers["www-authenticate"] = f"DPoP {challenge.removeprefix('Bearer ')}, {algs}"


class OAuthError(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error answer under `/oauth` (RFC 6749 §5.2). To who sent no token, it names no error."""

    error: str = ""
    error_description: str = ""


def bearer_error(code: str, detail: str, authorization: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer as what is protected by OAuth does (RFC 6750 §3), with the scope that UserInfo asks for.

    Whoever sends no token is told what to send and finds no fault named, neither in the challenge nor in the body.
    """
    if code == "missing_token":
        response = Response(msgspec.json.encode(OAuthError()), 401, media_type="application/json")
        response.headers.update({"cache-control": "no-store", "www-authenticate": "Bearer"})
    else:
        response = oauth_error(code, detail, headers=headers)
        if PROBLEMS[code].status < 500:  # noqa: PLR2004 - not the caller's fault then
            scope = f', scope="{OPENID}"' if code == "insufficient_scope" else ""
            name = code if code in _OAUTH_ERRORS else "invalid_request"
            response.headers["www-authenticate"] = f'Bearer error="{name}"{scope}'
    offer_dpop(response, authorization)
    return response


def oauth_error(
    code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, by_header: bool = False
) -> Response:
    """Answer as OAuth does. Codes that OAuth does not have become the nearest one that it has; the status stays.

    A client that tried to prove itself by a header is challenged to do it better (RFC 6749 §5.2), and no other: a
    challenge would be all that it sees of the answer.
    """
    status = PROBLEMS[code].status
    if code in _OAUTH_ERRORS:
        name = code
    elif status >= 500:  # noqa: PLR2004 - the server's fault
        name = "temporarily_unavailable" if status == 503 else "server_error"  # noqa: PLR2004
    else:
        name = "invalid_request"
    response = Response(msgspec.json.encode(OAuthError(name, detail)), status, media_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    if by_header and code == "invalid_client":
        challenge = f'Basic realm="gatepass", error="{code}", error_description="{detail}"'
        response.headers["www-authenticate"] = challenge
    response.headers.update(headers or {})
    return response
