"""Every error code with its status and meaning, and errors as problem documents (RFC 9457).

Only this module of the server knows HTTP status codes. A code never changes its meaning; its texts may change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from gatepass.server.domain.sessions.client import ACCOUNT_SCOPE

if TYPE_CHECKING:
    from collections.abc import Mapping


class ProblemKind(msgspec.Struct, frozen=True):
    """A kind of problem: its HTTP status, its title and what it means for the caller."""

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
    # the request
    "malformed_request": ProblemKind(400, "Malformed request", "The request is not valid HTTP or JSON."),
    "duplicate_header": ProblemKind(400, "Duplicate header", "A header that may appear only once appears twice."),
    "invalid_body": ProblemKind(
        422, "Invalid body", "The JSON has a field of the wrong type, lacks a required field or has an unknown one."
    ),
    "not_found": ProblemKind(404, "Not found", "There is nothing at this path."),
    "method_not_allowed": ProblemKind(
        405, "Method not allowed", "The path does not allow this method; `Allow` lists those it allows."
    ),
    "request_timeout": ProblemKind(408, "Request timeout", "The request did not arrive in time."),
    "body_too_large": ProblemKind(413, "Body too large", "The body is larger than `max_body_bytes`."),
    "invalid_query": ProblemKind(
        422, "Invalid query", "A parameter of the URL is unknown, of the wrong type, or appears twice."
    ),
    "unsupported_media_type": ProblemKind(415, "Unsupported media type", "A body must be `application/json` in UTF-8."),
    "headers_too_large": ProblemKind(
        431,
        "Headers too large",
        "The request line and headers together are larger than 32 KiB, or so is what surrounds the chunks of a body.",
    ),
    # organizations
    "invalid_organization": ProblemKind(
        422,
        "Invalid organization",
        "A slug is 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends; a name is one line.",
    ),
    "slug_taken": ProblemKind(409, "Slug taken", "Another organization has this slug."),
    "organization_not_found": ProblemKind(
        404, "No such organization", "There is no organization with this id or slug, or you are not a member of it."
    ),
    "not_a_member": ProblemKind(
        403, "Not a member", "Tokens for an organization are for its members; it may not exist at all."
    ),
    "not_organization_admin": ProblemKind(
        403, "Not an admin of the organization", "This needs the role `admin` in the organization."
    ),
    "member_not_found": ProblemKind(404, "No such member", "The organization has no member with this id."),
    "already_a_member": ProblemKind(409, "Already a member", "The person is a member of the organization already."),
    "last_admin": ProblemKind(
        409,
        "Last admin",
        "The last admin cannot leave the organization or lose the role: make another member one first.",
    ),
    "invitation_not_found": ProblemKind(404, "No such invitation", "The organization has no invitation with this id."),
    "invalid_invitation": ProblemKind(
        403,
        "Invalid invitation",
        "The link of the invitation is wrong, has expired, was used or withdrawn, or its sender may not invite any more.",
    ),
    "invitation_for_another": ProblemKind(
        403, "Invitation for another address", "Sign in to the account with the address that was invited."
    ),
    "address_not_verified": ProblemKind(
        403, "Address not verified", "Verify the address of the account first: sign in by email, or set a new password."
    ),
    "too_many_invitations": ProblemKind(
        409, "Too many invitations", "The organization has 1,000 invitations that wait: withdraw some first."
    ),
    "provider_required": ProblemKind(
        403,
        "Provider required",
        "The organization wants people of its domain to sign in with its provider: the message names it.",
    ),
    "cannot_join": ProblemKind(
        403,
        "Cannot join",
        "An organization is joined by a verified domain with an address of exactly that domain, at which you have read"
        " mail; or with its provider connected.",
    ),
    "slug_differs": ProblemKind(
        422, "Slug differs", "Deleting an organization on its page needs its slug to be typed."
    ),
    "domain_exists": ProblemKind(409, "Domain exists", "The organization has this domain already."),
    "domain_not_found": ProblemKind(404, "No such domain", "The organization has no such email domain."),
    "domain_not_proved": ProblemKind(
        409, "Domain not proved", "The DNS does not have the TXT record of the domain yet."
    ),
    "domain_taken": ProblemKind(409, "Domain taken", "Another organization has proved that the domain is its own."),
    "dns_unavailable": ProblemKind(503, "DNS unavailable", "No DNS server answers: try again."),
    "invalid_domain": ProblemKind(422, "Invalid domain", "This is not a domain that email addresses can have."),
    # signing up
    "invalid_email": ProblemKind(422, "Invalid email address", "The email address is not valid."),
    "invalid_user_id": ProblemKind(
        422,
        "Invalid user id",
        "The id is not 1 to 64 allowed characters, or looks like one of a client or of this server.",
    ),
    "user_id_deleted": ProblemKind(
        409,
        "Id of a deleted user",
        "A deleted user had this id. Applications may keep data under it, so no other user gets it.",
    ),
    "invalid_role": ProblemKind(422, "Invalid role", "A role is 1 to 64 letters, digits and any of `_ . : -`."),
    "metadata_too_large": ProblemKind(
        422,
        "Metadata too large",
        "`metadata` and `app_metadata` have at most 16 KiB each, nested 8 deep, and numbers of 53 bits.",
    ),
    "unknown_role": ProblemKind(
        422, "Unknown role", "There is a table of roles, and this one is not in it: `gatepass role list` shows them."
    ),
    "password_too_short": ProblemKind(
        422, "Password too short", "The password has fewer than `password_min_length` characters."
    ),
    "password_too_long": ProblemKind(422, "Password too long", "The password has more than 1,024 characters."),
    "password_too_common": ProblemKind(
        422,
        "Password too common",
        "The password is on the list of common passwords, or consists of the email address or the service's name.",
    ),
    "password_leaked": ProblemKind(
        422,
        "Password leaked",
        "The password appeared in a data leak, according to the service at `leaked_passwords_url`.",
    ),
    "unknown_password_hash": ProblemKind(
        422, "Unknown password hash", "The format of the hash is not supported, or its cost is out of bounds."
    ),
    "email_taken": ProblemKind(409, "Email address in use", "There is already an account with this email address."),
    "signup_by_mail_only": ProblemKind(
        403, "Sign up by email", "Accounts are created by email here; a passkey can be added afterwards."
    ),
    "signup_closed": ProblemKind(403, "Sign-up closed", "Only the operator creates accounts here (`signup`)."),
    "invitation_required": ProblemKind(403, "Invitation required", "Sign-up is by invitation only (`signup`)."),
    "captcha_required": ProblemKind(422, "Captcha required", "The sign-up lacks the answer to a captcha (`captcha`)."),
    "captcha_failed": ProblemKind(
        403, "Captcha failed", "The captcha's answer is wrong, too old or was used before: solve it again."
    ),
    "captcha_unavailable": ProblemKind(
        503, "Captcha unavailable", "The captcha's service cannot be reached; sign-up works again when it can."
    ),
    "signup_refused": ProblemKind(
        403, "Sign-up refused", "The operator's sign-up service refused this sign-up (`signup_check_url`)."
    ),
    "signup_check_unavailable": ProblemKind(
        503, "Sign-up check unavailable", "The operator's sign-up service cannot be reached (`signup_check_url`)."
    ),
    "signup_denied": ProblemKind(
        403,
        "Sign-up denied",
        "A hook of the operator denied the sign-up or the change of address; `code` and `detail` are the hook's own.",
    ),
    "email_domain_not_allowed": ProblemKind(
        403, "Domain not allowed", "Only email addresses at certain domains can be used here (`signup_domains`)."
    ),
    # signing in
    "invalid_credentials": ProblemKind(401, "Invalid credentials", "The email address or password is wrong."),
    "account_disabled": ProblemKind(
        403, "Account disabled", "The password is right, but the operator has disabled the account."
    ),
    "account_locked": ProblemKind(
        403,
        "Account locked",
        "The password is right, but the user has locked the account; setting a new password unlocks it.",
    ),
    "login_denied": ProblemKind(
        403,
        "Sign-in denied",
        "A hook of the operator denied the sign-in; `code` and `detail` are the hook's own.",
    ),
    "too_many_attempts": ProblemKind(
        429, "Too many attempts", "Too many attempts have failed; `Retry-After` says when to try again."
    ),
    "mail_not_configured": ProblemKind(
        501, "Email not configured", "This server cannot send email: `smtp_url` is not set."
    ),
    "invalid_code": ProblemKind(
        403, "Invalid code", "The link or code is wrong, has expired, was already used or belongs to another browser."
    ),
    "recent_sign_in_required": ProblemKind(
        401, "Recent sign-in required", "The sign-in is older than `recent_sign_in_seconds`: sign in again."
    ),
    "second_factor_required": ProblemKind(
        403,
        "Second factor required",
        "The user has a second factor: send it to `/login/factor` while signing in, or to `/reauthenticate` in a session.",
    ),
    "invalid_challenge": ProblemKind(
        403,
        "Invalid challenge",
        "The challenge of this sign-in has expired, was already used or belongs to another browser: sign in again.",
    ),
    "invalid_passkey": ProblemKind(
        403, "Invalid passkey", "The passkey is unknown, or its response does not match the challenge."
    ),
    "passkeys_unavailable": ProblemKind(
        501, "Passkeys unavailable", "The issuer is an IP address, and browsers create passkeys for domain names only."
    ),
    "factor_exists": ProblemKind(409, "Factor exists", "The user already has this factor, or one of this kind."),
    "factor_not_found": ProblemKind(404, "Factor not found", "The user has no factor of this kind and id."),
    "too_many_passkeys": ProblemKind(409, "Too many passkeys", "A user can have at most 20 passkeys."),
    "form_expired": ProblemKind(403, "Form expired", "The form has expired, or belongs to another browser."),
    # other sites
    "unknown_provider": ProblemKind(404, "Unknown provider", "No provider with this id is configured (`providers`)."),
    "provider_unavailable": ProblemKind(
        502,
        "Provider unavailable",
        "The provider cannot be reached, is too slow or sent an invalid answer; the log says which.",
    ),
    "provider_denied": ProblemKind(
        403,
        "Provider denied",
        "The provider did not confirm the sign-in, or the settings do not allow this account of the provider.",
    ),
    "invalid_state": ProblemKind(
        403,
        "Invalid state",
        "The provider's answer does not belong to a sign-in of this browser, is too late or was already used.",
    ),
    "invalid_foreign_token": ProblemKind(
        401,
        "Invalid foreign token",
        "The token is none that the settings accept (`foreign_tokens`), has expired, or was used before: sign in again.",
    ),
    "invalid_id_token": ProblemKind(
        403,
        "Invalid ID token",
        "The ID token is not from the provider, is for another application, has expired or was already used.",
    ),
    "email_not_verified": ProblemKind(
        403,
        "Email address not verified",
        "The provider has not verified the email address, and the account there is not connected to one here.",
    ),
    "account_exists": ProblemKind(
        409,
        "Account exists",
        "There is already an account with this email address: sign in to it, then connect the two.",
    ),
    "identity_taken": ProblemKind(
        409, "Identity taken", "The provider's account is already connected to another account here."
    ),
    "consent_not_found": ProblemKind(404, "Consent not found", "No application of this id has access to the account."),
    "identity_not_found": ProblemKind(404, "Identity not found", "The user has no connected account with this id."),
    "too_many_identities": ProblemKind(409, "Too many identities", "A user can have at most 20 connected accounts."),
    "last_way_in": ProblemKind(
        409,
        "Last way to sign in",
        "This is the only way to sign in to the account: set a password or add a passkey first.",
    ),
    "invalid_id_token_hint": ProblemKind(
        400, "Invalid ID token hint", "The `id_token_hint` is no ID token that this server gave to the client."
    ),
    "unknown_client": ProblemKind(400, "Unknown client", "There is no client with this `client_id`."),
    "invalid_audience": ProblemKind(400, "Invalid audience", "The client may not request tokens for this `audience`."),
    "invalid_scope": ProblemKind(400, "Invalid scope", "The client may not request this `scope`."),
    "cross_site_request": ProblemKind(
        403,
        "Cross-site request",
        "Cookie mode is for pages of the issuer's own site: send `Gatepass-Request: 1` and a matching `Origin`.",
    ),
    "operator_protected": ProblemKind(
        403, "Operator protected", "Only an operator in person, or the command line, changes operators."
    ),
    "invalid_idempotency_key": ProblemKind(
        400, "Invalid idempotency key", "An `Idempotency-Key` is 1 to 255 visible ASCII characters."
    ),
    "idempotency_key_reused": ProblemKind(
        422, "Idempotency key reused", "The same `Idempotency-Key` was sent with another body: use a new one."
    ),
    "idempotent_request_running": ProblemKind(
        409,
        "Request running",
        "The first request with this `Idempotency-Key` has not been answered, and what became of it is not known.",
    ),
    "role_not_found": ProblemKind(404, "Role not found", "There is no such role in the table of roles."),
    "role_exists": ProblemKind(409, "Role exists", "There is a role of this name already."),
    "invalid_permission": ProblemKind(
        422, "Invalid permission", "A permission is ASCII without spaces or quotes, such as `articles:write`."
    ),
    "defined_in_configuration": ProblemKind(
        409, "Defined in configuration", "The settings define this, and only a change there changes it."
    ),
    "impersonation_off": ProblemKind(
        403, "Impersonation is off", "Operators act in other people's names only where `impersonation` is set."
    ),
    "confirmation_differs": ProblemKind(
        422, "Confirmation differs", "What was typed to confirm is not the name of what would be deleted."
    ),
    "command_line_only": ProblemKind(403, "Command line only", "Only the command line gives a client this right."),
    "operator_needs_factor": ProblemKind(
        403,
        "Operator needs a factor",
        "An operator's token needs a sign-in with two factors or a passkey, and the account has neither.",
    ),
    "enrollment_code_required": ProblemKind(
        403,
        "Enrollment code required",
        "An operator's first factor needs the one-time code that the command line printed (`enrollment_code`).",
    ),
    "user_not_found": ProblemKind(404, "User not found", "No user has this email address or id."),
    "key_not_found": ProblemKind(404, "Key not found", "There is no signing key of this `kid` or use."),
    "webhook_not_found": ProblemKind(404, "Webhook not found", "There is no webhook of this id."),
    "delivery_not_found": ProblemKind(
        404, "Delivery not found", "There is no delivery of this id; they are kept for 30 days."
    ),
    "invalid_webhook": ProblemKind(422, "Invalid webhook", "The URL cannot be told of events, or an event is unknown."),
    "stream_not_found": ProblemKind(404, "Stream not found", "The client has no stream of this id."),
    "invalid_stream": ProblemKind(
        400, "Invalid stream", "The request cannot be read, or there can be no stream like that (SSF 1.0 §8.1)."
    ),
    "stream_disabled": ProblemKind(400, "Stream disabled", "A stream that is disabled tells nothing: enable it first."),
    "too_many_signal_streams": ProblemKind(
        409, "Too many signal streams", "The client has as many streams of signals as it may: remove one."
    ),
    "too_many_subjects": ProblemKind(
        403, "Too many subjects", "No more people can be removed from this stream: filter at the receiver."
    ),
    "verification_too_soon": ProblemKind(
        429, "Verification too soon", "The last verification was less than `min_verification_interval` ago."
    ),
    "api_not_found": ProblemKind(404, "API not found", "There is no API of this audience."),
    "client_not_found": ProblemKind(404, "Client not found", "There is no client with this id."),
    "registration_closed": ProblemKind(
        403, "Registration closed", "Clients cannot register themselves here (`dynamic_registration`)."
    ),
    "invalid_jwks": ProblemKind(422, "Invalid JWK Set", "The client's keys are not a JWK Set of public keys."),
    # staying signed in
    "missing_token": ProblemKind(401, "Missing token", "The request needs `Authorization: Bearer …`."),
    "invalid_token": ProblemKind(401, "Invalid token", "The access token is not valid here, or has expired."),
    "insufficient_scope": ProblemKind(403, "Insufficient scope", "The token is valid but lacks the required scope."),
    "missing_refresh_token": ProblemKind(
        401, "Missing refresh token", "There is no refresh token in the body or in a cookie."
    ),
    "invalid_refresh_token": ProblemKind(
        401,
        "Invalid refresh token",
        "The refresh token was not issued here, or was issued for another mode (body or cookie).",
    ),
    "refresh_token_reused": ProblemKind(
        401,
        "Refresh token reused",
        "The refresh token was used twice, which may mean theft, so the session was ended: sign in again.",
    ),
    "session_ended": ProblemKind(401, "Session ended", "The session was ended or has expired: sign in again."),
    "token_too_large": ProblemKind(
        403, "Token too large", "Roles, claims, scopes and audiences make the token larger than 7 KiB: remove some."
    ),
    "session_not_found": ProblemKind(404, "Session not found", "The user has no active session with this id."),
    # OAuth (RFC 6749 §5.2, RFC 8707 §2): these are the `error` of OAuth's own format
    "invalid_request": ProblemKind(
        400, "Invalid request", "A parameter is missing, appears twice or contradicts another."
    ),
    "invalid_client": ProblemKind(401, "Invalid client", "The client is unknown, or failed to authenticate."),
    "invalid_grant": ProblemKind(
        400,
        "Invalid grant",
        "The refresh token is not valid, or belongs to another client; `error_description` says why.",
    ),
    "use_dpop_nonce": ProblemKind(
        400, "DPoP nonce needed", "Make a new DPoP proof with the nonce of the header `DPoP-Nonce` (RFC 9449 §8)."
    ),
    "dpop_nonce_required": ProblemKind(
        401,
        "DPoP nonce needed with the token",
        "Make a new DPoP proof with the nonce of the header `DPoP-Nonce` (RFC 9449 §9).",
    ),
    "invalid_dpop_proof": ProblemKind(
        400, "Invalid DPoP proof", "The proof is not valid for this request and key, or was already used."
    ),
    "unauthorized_client": ProblemKind(400, "Unauthorized client", "The client may not use this grant type."),
    "unsupported_grant_type": ProblemKind(
        400, "Unsupported grant type", "The server does not support this grant type."
    ),
    "too_many_requests": ProblemKind(
        429,
        "Too many requests",
        "The client has too many pending pushed requests; `Retry-After` says when to try again.",
    ),
    "authorization_pending": ProblemKind(
        400, "Authorization pending", "The person has not decided yet: poll again after `interval` (RFC 8628 §3.5)."
    ),
    "slow_down": ProblemKind(400, "Slow down", "The device polls too often: five seconds more from now on."),
    "expired_token": ProblemKind(400, "Device code expired", "Nobody has agreed in time: begin again."),
    "invalid_user_code": ProblemKind(
        403, "Invalid user code", "No device waits for this code: it is wrong, too old, or was used."
    ),
    "unsupported_response_type": ProblemKind(
        400, "Unsupported response type", "The only `response_type` is `code` (RFC 6749 §4.1.2.1)."
    ),
    "registration_not_supported": ProblemKind(
        400,
        "Registration not supported",
        "The parameter `registration` is not supported (OpenID Connect Core §3.1.2.6).",
    ),
    "invalid_request_object": ProblemKind(
        400,
        "Invalid request object",
        "The `request` is not signed by the client, too old, for another server, or was sent before (RFC 9101 §7).",
    ),
    "request_uri_not_supported": ProblemKind(
        400, "Request URI not supported", "A `request_uri` must come from `/oauth/par`."
    ),
    "invalid_redirect_uri": ProblemKind(
        400, "Invalid redirect URI", "The `redirect_uri` is missing, or not registered by the client."
    ),
    "invalid_client_metadata": ProblemKind(
        400, "Invalid client metadata", "What a client says of itself contradicts itself, or is not supported here."
    ),
    "interaction_expired": ProblemKind(
        400, "Sign-in expired", "The authorization request has expired, or belongs to another browser."
    ),
    "interaction_used": ProblemKind(400, "Sign-in completed", "The authorization request was already answered."),
    "access_denied": ProblemKind(
        400, "Access denied", "The user did not consent, or may not use the client (RFC 6749 §4.1.2.1)."
    ),
    "login_required": ProblemKind(
        400, "Login required", "There is no recent enough sign-in, and `prompt=none` forbids a page."
    ),
    "consent_required": ProblemKind(
        400, "Consent required", "The user has not consented to this, and `prompt=none` forbids a page."
    ),
    "interaction_required": ProblemKind(
        400, "Interaction required", "A page would be needed, and `prompt=none` forbids one."
    ),
    "account_selection_required": ProblemKind(
        400, "Account selection required", "The user would have to choose an account, and `prompt=none` forbids a page."
    ),
    "unmet_authentication_requirements": ProblemKind(
        400,
        "Unmet authentication requirements",
        "The user cannot sign in as strongly as `acr_values` or the claim `acr` require.",
    ),
    "invalid_target": ProblemKind(
        400, "Invalid target", "The client may not request tokens for this `resource` or `audience`."
    ),
    # the server
    "internal_error": ProblemKind(
        500, "Internal error", "An error in the server; find it in the log by its `request_id`."
    ),
    "not_started": ProblemKind(
        503, "Not started", "The server is mounted in an application that does not run its lifespan, or is just ending."
    ),
    "shutting_down": ProblemKind(
        503,
        "Shutting down",
        "The server stops, and did not wait longer (`shutdown_seconds`); whether the request took effect is not known.",
    ),
    "busy": ProblemKind(503, "Busy", "Too many sign-ins at once; `Retry-After` says when to try again."),
    "too_many_connections": ProblemKind(
        503, "Too many connections", "The process has as many connections as it accepts (`max_connections`)."
    ),
    "too_many_streams": ProblemKind(
        503,
        "Too many streams",
        "All streams available to this client are taken (`max_streams`, `streams_per_address`); authenticated clients have reserved streams.",
    ),
    "store_unavailable": ProblemKind(
        503, "Store unavailable", "The database is locked, full or unreachable; nothing was written."
    ),
    "too_many_revoked_tokens": ProblemKind(
        503, "Too many revoked tokens", "The list of individually revoked tokens is full; this token was not revoked."
    ),
    "store_settling": ProblemKind(
        503,
        "Store settling",
        "PostgreSQL has just failed over and may have lost writes; refreshes wait for `failover_rest_seconds`.",
    ),
    "claims_unavailable": ProblemKind(
        503, "Claims unavailable", "A plugin that adds claims to tokens fails; send the same request again later."
    ),
    "hook_unavailable": ProblemKind(
        503,
        "Hook unavailable",
        "A hook that decides about sign-ups or sign-ins fails; nothing was used up, so send the same request again later.",
    ),
    "signer_unavailable": ProblemKind(
        503, "Signer unavailable", "The external signer cannot be reached; send the same request again later."
    ),
}


_CHALLENGES = {
    "recent_sign_in_required": 'Bearer error="insufficient_user_authentication"',
    "invalid_token": 'Bearer error="invalid_token"',
    "dpop_nonce_required": 'Bearer error="use_dpop_nonce"',
    "invalid_client": 'Basic realm="gatepass"',
    "insufficient_scope": f'Bearer error="insufficient_scope", scope="{ACCOUNT_SCOPE}"',
}
"""RFC 6750 §3.1: a challenge names an error only if the request had a token."""


def problem(  # noqa: PLR0913 - what an answer is made of
    code: str,
    detail: str = "",
    *,
    request_id: str = "",
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, object] | None = None,
    shown_code: str | None = None,
) -> Response:
    """Answer with the problem of this code; `extra` are members beyond those of every problem (RFC 9457 §3.2).

    `shown_code` is what a hook calls it; the problem's type stays ours.
    """
    kind = PROBLEMS[code]
    body = Problem(f"urn:gatepass:problem:{code}", kind.title, kind.status, shown_code or code, detail, request_id)
    content = msgspec.json.encode(body if extra is None else {**msgspec.to_builtins(body), **extra})
    response = Response(content, kind.status, media_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    if kind.status == 401 or code in _CHALLENGES:  # noqa: PLR2004 - RFC 9110 §15.5.2: a 401 names a scheme
        response.headers["WWW-Authenticate"] = _CHALLENGES.get(code, "Bearer")
    response.headers.update(headers or {})
    return response
