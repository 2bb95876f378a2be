"""`GET, POST /oauth/authorize`: where an authorization request comes in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import GatepassError, Refusal, Unavailable
from gatepass.server.domain.sessions.interaction import new_interaction
from gatepass.server.features.oauth.authorize.checks import RESPONSE_MODES
from gatepass.server.features.oauth.authorize.find import client_in, redirect_uri_in
from gatepass.server.features.oauth.authorize.parameters import parameters_of
from gatepass.server.features.oauth.authorize.request import checked, pushed_request
from gatepass.server.features.oauth.authorize.respond import Destination, refuse
from gatepass.server.features.oauth.authorize.signed_request import signed_parameters
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.parsing import RawForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.authorize.interactions import AuthorizationPages
    from gatepass.server.features.oauth.authorize.parameters import Parameters
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

PATH = "/oauth/authorize"


def routes(core: Core, pages: AuthorizationPages) -> tuple[Route, ...]:
    """The endpoint, by both methods (OpenID Connect Core §3.1.2.1)."""
    handler, show = partial(authorize, core, pages), partial(show_refusal, core)
    return (
        page(PATH, handler, ANYONE, show=show),
        page_form(PATH, handler, RawForm, ANYONE, show=show, from_elsewhere=True),
    )


async def authorize(core: Core, pages: AuthorizationPages, call: Call, form: RawForm | None) -> Response:
    """Check the request, and answer it or begin an interaction.

    Until it is sure where the client wants its answer, a refusal is a page, and never a redirect.
    """
    parameters = parameters_of(call.request.scope["query_string"], form)
    client = await client_in(core, parameters, call.origin)
    if "request_uri" in parameters.repeated:
        raise Refusal("invalid_request", "The request names more than one pushed request.")
    if request_uri := parameters.get("request_uri"):
        pushed = await pushed_request(core, client, request_uri)
        return await pages.begin(call, new_interaction(None, core.clock(), pushed=pushed.digest), client)
    try:
        parameters = await signed_parameters(core, client, parameters)
    except Refusal as error:
        return await _refuse_object(core, call, client, parameters, error)
    redirect_uri = redirect_uri_in(parameters, client)
    try:
        request = await checked(core, client, parameters, redirect_uri)
        return await pages.begin(call, new_interaction(request, core.clock()), client)
    except GatepassError as error:
        return await _refuse(core, call, client, parameters, redirect_uri=redirect_uri, error=error)


async def _refuse_object(core: Core, call: Call, client: Client, parameters: Parameters, error: Refusal) -> Response:
    """Refuse a request object: where the request names a redirect URI beside it, the client is told, else the person.

    What stands in an object that is not the client's says nothing.
    """
    try:
        redirect_uri = redirect_uri_in(parameters, client)
    except Refusal:
        raise error from None
    return await _refuse(core, call, client, parameters, redirect_uri=redirect_uri, error=error)


async def _refuse(  # noqa: PLR0913 - whom, why, and what is known of where
    core: Core, call: Call, client: Client, parameters: Parameters, *, redirect_uri: str, error: GatepassError
) -> Response:
    is_silent = parameters.get("prompt") == "none"
    return await refuse(core, call, client, _destination(parameters, redirect_uri), error, is_trusted=is_silent)


def _destination(parameters: Parameters, redirect_uri: str) -> Destination:
    """Where a refusal goes, in the way that the request asks for, as far as that can be understood."""
    mode = "" if "response_mode" in parameters.repeated else parameters.get("response_mode")
    return Destination(
        redirect_uri,
        mode if mode in RESPONSE_MODES else "query",
        None if "state" in parameters.repeated else parameters.values.get("state"),
    )


async def show_refusal(core: Core, call: Call, _form: object, error: GatepassError) -> Response:
    """Say on a page what is wrong, where nobody knows who should be told (RFC 6749 §4.1.2.1)."""
    response = core.pages.page(call.request, "refused.html", error=error, detail=error.detail)
    response.status_code = 503 if isinstance(error, Unavailable) else 400
    return response
