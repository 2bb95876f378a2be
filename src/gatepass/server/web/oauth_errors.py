"""Errors in OAuth's own forms: as JSON (RFC 6749 §5.2) and as challenges (RFC 6750 §3, RFC 9449 §7.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from gatepass.server.domain.sessions.client import OPENID
from gatepass.server.web.errors import PROBLEMS
from gatepass.tokens.dpop_proof import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Mapping

OAUTH_PREFIX = "/oauth/"

_OAUTH_ERRORS = frozenset(
    {
        "access_denied",
        "authorization_pending",
        "expired_token",
        "insufficient_scope",
        "invalid_client",
        "invalid_client_metadata",
        "invalid_dpop_proof",
        "invalid_grant",
        "invalid_redirect_uri",
        "invalid_request",
        "invalid_request_object",
        "invalid_scope",
        "invalid_target",
        "login_required",
        "registration_not_supported",
        "slow_down",
        "request_uri_not_supported",
        "unsupported_response_type",
        "invalid_token",
        "unauthorized_client",
        "unmet_authentication_requirements",
        "unsupported_grant_type",
        "use_dpop_nonce",
    }
)


_DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
"""RFC 6749 §5.2."""


def offer_dpop(response: Response, authorization: str, metadata_url: str) -> None:
    """Challenge to DPoP: beside Bearer where no token was sent, in its place where one came by DPoP (RFC 9449 §7.1).

    It says where clients that know nothing of this server find out who gives tokens for it (RFC 9728 §5.1).
    """
    challenge = response.headers.get("www-authenticate")
    algs = f'algs="{" ".join(ALGORITHMS)}", resource_metadata="{metadata_url}"'
    if challenge == "Bearer":
        response.headers.append("www-authenticate", f"DPoP {algs}")
    elif challenge is not None and authorization.lower().startswith("dpop "):
        response.headers["www-authenticate"] = f"DPoP {challenge.removeprefix('Bearer ')}, {algs}"


class OAuthError(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an error answer under `/oauth` (RFC 6749 §5.2). To who sent no token, it names no error."""

    error: str = ""
    error_description: str = ""


def bearer_error(
    code: str, detail: str, authorization: str, *, metadata_url: str, headers: Mapping[str, str] | None = None
) -> Response:
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
            response.headers["www-authenticate"] = f'Bearer error="{_oauth_name(code)}"{scope}'
    offer_dpop(response, authorization, metadata_url)
    return response


def oauth_error(
    code: str, detail: str = "", *, headers: Mapping[str, str] | None = None, by_header: bool = False
) -> Response:
    """Answer in OAuth's format. A code that OAuth does not define becomes the nearest one it does; the status stays.

    Only a client that tried to authenticate by a header gets a challenge (RFC 6749 §5.2): HTTP clients that see a
    challenge may hide the body of the answer.
    """
    name, status = _oauth_name(code), PROBLEMS[code].status
    if not _DESCRIPTION.fullmatch(detail):  # the text of a hook, in any language
        detail = PROBLEMS[code].title
    response = Response(msgspec.json.encode(OAuthError(name, detail)), status, media_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    if code == "invalid_token":
        response.headers["www-authenticate"] = f'Bearer error="{code}"'
    if by_header and code == "invalid_client":
        challenge = f'Basic realm="gatepass", error="{code}", error_description="{detail}"'
        response.headers["www-authenticate"] = challenge
    response.headers.update(headers or {})
    return response


def _oauth_name(code: str) -> str:
    """What OAuth calls a problem: by its own name where it has one, else by the nearest."""
    status = PROBLEMS[code].status
    if code == "dpop_nonce_required":
        return "use_dpop_nonce"
    if code == "login_denied":
        return "access_denied"
    if code in _OAUTH_ERRORS:
        return code
    if status == 429:  # noqa: PLR2004 - a limit
        return "temporarily_unavailable"
    if status >= 500:  # noqa: PLR2004 - the server's fault
        return "temporarily_unavailable" if status == 503 else "server_error"  # noqa: PLR2004
    return "invalid_request"
