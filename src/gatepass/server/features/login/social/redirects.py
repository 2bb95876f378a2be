"""The redirect to another site, and its answer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import GatepassError, Refusal
from gatepass.server.domain.accounts.identity_linking import Existing
from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.features.login.social.connect import (
    ConnectAtLoginForm,
    PendingConnection,
    show_connect,
    submit_connect,
    waiting_cookie,
)
from gatepass.server.web.auth.requirements import ANYONE, RECENT
from gatepass.server.web.provider_redirects import JOURNEY_SECONDS
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.provider_redirects import PendingRedirect
    from gatepass.server.web.routing import Route

_ANSWER = ("state", "code", "iss", "error")
"""The parameters of an answer that are read (RFC 6749 §4.1.2, RFC 9207); others are ignored."""


_LONGEST_PATH = 2_400
"""The limit of the return path: a cookie holds 4,096 octets (RFC 6265 §6.1), and this one has other content too."""


_MOST = 4_096
"""The limit of characters of a code and of every other parameter."""


class AnswerForm(Confidential, frozen=True, kw_only=True):
    """The answer of a provider that sends it as a form (OAuth 2.0 Form Post Response Mode)."""

    state: str = ""
    code: str = ""
    iss: str = ""
    error: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages."""
    return (
        page("/pages/login/with/{provider}", partial(start, core), ANYONE),
        page("/pages/login/callback/{provider}", partial(come_back, core), ANYONE),
        page_form(
            "/pages/login/callback/{provider}", partial(take_form, core), AnswerForm, ANYONE, from_elsewhere=True
        ),
        page("/pages/login/connect", partial(show_connect, core), RECENT),
        page_form("/pages/login/connect", partial(submit_connect, core), ConnectAtLoginForm, RECENT),
    )


async def start(core: Core, call: Call, _body: None) -> Response:
    """Send the browser to the provider."""
    provider_id = call.path_params["provider"]
    core.linking.provider(provider_id)
    journey = core.redirects.new(provider_id)
    try:
        response = core.pages.go_to(await core.linking.way_there(provider_id, journey))
    except GatepassError as error:
        return core.pages.error_page(call.request, error, again=core.pages.path("login"))
    return_to = core.pages.return_path(call.query.get("return_to", "")[:_LONGEST_PATH], "")
    await core.redirects.begin(response, provider_id, journey, return_to=return_to)
    return response


async def take_form(core: Core, call: Call, form: AnswerForm) -> Response:
    """Turn a form answer into a link, because browsers send no cookies with a form from another site."""
    answer = {name: value for name in _ANSWER if (value := getattr(form, name))}
    path = core.pages.path(f"login/callback/{call.path_params['provider']}")
    return core.pages.go_to(core.pages.with_query(path, answer))


async def come_back(core: Core, call: Call, _body: None) -> Response:
    """Handle the provider's answer."""
    if (page_first := core.pages.come_again(call.request)) is not None:
        return page_first
    query, provider_id = call.query, call.path_params["provider"]
    again = core.pages.path("login")
    try:
        if any(len(query.getlist(name)) > 1 or len(query.get(name, "")) > _MOST for name in _ANSWER):
            raise Refusal("invalid_state", "The provider's answer is malformed.")
        answer = {name: query[name] for name in _ANSWER if name in query}
        pending = await core.redirects.end(call.request, provider_id, answer)
        if pending.connect_to:
            again = core.pages.path("account/identities")
            response = await _connect(core, call, answer, pending)
        else:
            response = await _sign_in(core, call, answer, pending)
    except GatepassError as error:
        response = core.pages.page(call.request, "error.html", error=error, again=again, here="")
    core.redirects.drop(response)
    return response


async def _sign_in(core: Core, call: Call, answer: dict[str, str], pending: PendingRedirect) -> Response:
    token_request = await call.token_request(cookie=True)
    proven = await core.linking.redeem(pending.provider, answer, pending.journey)
    where, device = call.origin, call.device
    result = await core.linking.sign_in(
        proven, token_request=token_request, where=where, device=device, language=call.language
    )
    if isinstance(result, Existing):
        return _ask_to_connect(core, call, result, pending)
    return await core.login_responses.go_on(call.request, result, pending.return_to)


async def _connect(core: Core, call: Call, answer: dict[str, str], pending: PendingRedirect) -> Response:
    """Connect the provider's account to the account of the user who started this and is signed in."""
    visitor = await core.recent_auth.visitor(call.request)
    if not isinstance(visitor, Caller):
        return visitor
    if visitor.user.id != pending.connect_to:
        raise Refusal("invalid_state", "Another user has signed in since: start again.")
    proven = await core.linking.redeem(pending.provider, answer, pending.journey)
    await core.linking.connect(
        visitor.user,
        visitor.session_id,
        proven.claimed,
        where=call.origin,
        language=call.language,
        proven=proven,
    )
    return core.pages.go_to(core.pages.path("account/identities"))


def _ask_to_connect(core: Core, call: Call, existing: Existing, pending: PendingRedirect) -> Response:
    """Say that an account with this address exists, and keep the provider's answer until its owner has signed in."""
    sign_in = core.pages.with_query(core.pages.path("login"), {"return_to": core.pages.path("login/connect")})
    values = {"email": existing.email}
    response = core.pages.page(
        call.request, "message.html", key="account_exists", next_path=sign_in, values=values, here=""
    )
    waiting = PendingConnection(
        claimed=existing.claimed, return_to=pending.return_to, expires_at=pending.expires_at + JOURNEY_SECONDS
    )
    waiting_cookie(core).put(response, waiting, JOURNEY_SECONDS)
    return response
