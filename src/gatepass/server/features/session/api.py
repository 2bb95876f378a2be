"""`POST /refresh`, `POST /logout` and `POST /logout/all`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.features.session.logout import log_out, log_out_everywhere
from gatepass.server.features.session.refresh import refresh
from gatepass.server.web.answers import no_content
from gatepass.server.web.auth.requirements import REFRESH, SESSION
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call

_PROBLEMS = ("invalid_refresh_token", "cross_site_request")


class RefreshRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The refresh token, unless a cookie holds it.

    `organization` is the id or slug of the one that tokens are for from now on; empty text for none. Without it they
    are for the same as before.
    """

    refresh_token: str | None = None
    organization: str | None = None


class LogoutRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The refresh token, unless a bearer token or cookie identifies the session."""

    refresh_token: str | None = None


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="POST",
            path="/refresh",
            handler=partial(get_new_tokens, core),
            auth=REFRESH,
            summary="Refresh the tokens",
            body=RefreshRequest,
            answers={200: TokenPair},
            problems=(
                "missing_refresh_token",
                "invalid_refresh_token",
                "refresh_token_reused",
                "session_ended",
                "cross_site_request",
                "invalid_dpop_proof",
                "use_dpop_nonce",
                "invalid_audience",
                "not_a_member",
                "provider_required",
            ),
        ),
        Route(
            method="POST",
            path="/logout",
            handler=partial(logout, core),
            auth=SESSION,
            summary="End this session",
            body=LogoutRequest,
            answers={204: None},
            problems=_PROBLEMS,
        ),
        Route(
            method="POST",
            path="/logout/all",
            handler=partial(logout_all, core),
            auth=SESSION,
            summary="End all sessions of the user",
            body=LogoutRequest,
            answers={204: None},
            problems=(*_PROBLEMS, "session_ended"),
        ),
    )


async def get_new_tokens(core: Core, call: Call, body: RefreshRequest) -> Response:
    """Refresh and answer; a refusal leaves the cookie alone, which may be newer by now."""
    keys, token = core.keys.current, call.refresh_token
    moved, now = await refresh(core, token, await core.dpop.thumbprint(call.request), body.organization)
    current = msgspec.structs.replace(token, serial=moved.serial)
    return await core.token_responses.answer(core.first_party.today(moved.subject), current, keys=keys, now=now)


async def logout(core: Core, call: Call, _body: LogoutRequest) -> Response:
    """End the token's session."""
    await log_out(core.database, call.session.session_id, call.session.user_id, call.origin)
    return _signed_out(core, call)


async def logout_all(core: Core, call: Call, _body: LogoutRequest) -> Response:
    """End every session of the token's user."""
    await log_out_everywhere(core.database, call.session.session_id, call.session.user_id, call.origin)
    return _signed_out(core, call)


def _signed_out(core: Core, call: Call) -> Response:
    response = no_content()
    core.browser.clear_cookie(call.request, response)
    return response
