"""The authorization response: how a client gets its answer (RFC 6749 §4.1.2, RFC 9207, Form Post Response Mode)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.sessions.authorization_request import ResponseMode  # noqa: TC001 - msgspec reads it
from gatepass.server.domain.sessions.redirect_uri import form_target, host_of, with_parameters
from gatepass.server.web.headers import FORM_POST_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.call import Call


class ReplyTo(Protocol):
    """Where an answer goes. An `AuthorizationRequest` says it, and so does what is known of a request that fails."""

    @property
    def redirect_uri(self) -> str: ...
    @property
    def response_mode(self) -> ResponseMode: ...
    @property
    def state(self) -> str | None: ...


class Destination(msgspec.Struct, frozen=True):
    """Where the answer to a request goes that is refused, as far as the request can be understood."""

    redirect_uri: str
    response_mode: ResponseMode
    state: str | None


def respond(core: Core, call: Call, reply_to: ReplyTo, answer: Mapping[str, str]) -> Response:
    """Answer the client: every answer says whose it is (`iss`), so that it is taken for no other server's."""
    parameters = {**answer, "iss": core.settings.issuer_url}
    if reply_to.state is not None:
        parameters["state"] = reply_to.state
    if reply_to.response_mode == "form_post":
        response = core.pages.page(
            call.request,
            "form_post.html",
            script=FORM_POST_SCRIPT,
            scripted=True,
            action=reply_to.redirect_uri,
            host=host_of(reply_to.redirect_uri),
            parameters=parameters,
        )
        response.form_target = form_target(reply_to.redirect_uri)
        return response
    return redirect(with_parameters(reply_to.redirect_uri, urlencode(parameters)))


def redirect(url: str) -> Response:
    """Send the browser there; 303, so that a password that was posted here is not posted there (RFC 9700 §4.12)."""
    return Response(status_code=303, headers={"location": url, "cache-control": "no-store"})


def refuse(  # noqa: PLR0913 - whom, why, and how
    core: Core, call: Call, client: Client, reply_to: ReplyTo, error: GatepassError, *, is_trusted: bool = False
) -> Response:
    """Tell the client why not; a person is shown a page in between where the client has registered itself.

    Else anyone could register one, and have links that begin with our name lead anywhere (RFC 9700 §4.11.2).

    Args:
        core: What answers.
        call: The request.
        client: Who asked.
        reply_to: Where the answer goes.
        error: Why not.
        is_trusted: Whether this person has agreed to be sent there, or sees no page that could ask.
    """
    code = "temporarily_unavailable" if isinstance(error, Unavailable) else error.code
    answer = {"error": code, "error_description": error.detail}
    if is_trusted or not client.is_self_registered:
        return respond(core, call, reply_to, answer)
    plain = Destination(reply_to.redirect_uri, "query", reply_to.state)
    return core.pages.page(
        call.request,
        "leave.html",
        status=400,
        name=client.name,
        host=host_of(reply_to.redirect_uri),
        leads_to=respond(core, call, plain, answer).headers["location"],
    )
