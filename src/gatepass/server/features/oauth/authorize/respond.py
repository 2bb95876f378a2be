"""The authorization response: how a client gets its answer (RFC 6749 §4.1.2, RFC 9207, Form Post, JARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from gatepass.jose import jws
from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.sessions.authorization_request import ResponseMode  # noqa: TC001 - msgspec reads it
from gatepass.server.domain.sessions.redirect_uri import form_target, host_of, with_parameters
from gatepass.server.web.headers import FORM_POST_SCRIPT
from gatepass.tokens import authorization_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.keys.signer import Signer
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.call import Call


_SIGNED: tuple[ResponseMode, ...] = ("jwt", "query.jwt", "form_post.jwt")
"""JARM §2.3; for a code, `jwt` is `query.jwt`."""


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


async def respond(core: Core, call: Call, client: Client, reply_to: ReplyTo, answer: Mapping[str, str]) -> Response:
    """Answer the client: every answer says whose it is (`iss`), so that it is taken for no other server's.

    Raises:
        Unavailable: the answer is to be signed, and the key cannot be reached.
    """
    parameters = {**answer, "iss": core.settings.issuer_url}
    if reply_to.state is not None:
        parameters["state"] = reply_to.state
    if reply_to.response_mode in _SIGNED:
        parameters = {"response": await _sign(core, client, parameters)}
    if reply_to.response_mode in ("form_post", "form_post.jwt"):
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


async def prepare(core: Core, client: Client, reply_to: ReplyTo) -> None:
    """See, before there is a code, that there will be a key to sign the answer with. Raises as `respond`."""
    if reply_to.response_mode in _SIGNED:
        await _signer(core, client)


async def _sign(core: Core, client: Client, answer: Mapping[str, str]) -> str:
    """JARM §2.1: the whole answer in one token, which nobody on its way can change or take for another client's."""
    signer = await _signer(core, client)
    message = authorization_response.signing_input(
        answer,
        issuer=core.settings.issuer_url,
        client_id=client.id,
        now=core.clock(),
        alg=signer.alg,
        kid=signer.kid,
    )
    return jws.assemble(message, await signer.sign(message))


async def _signer(core: Core, client: Client) -> Signer:
    return await core.id_token_signers.signer(core.keys.current, client.metadata.authorization_signed_response_alg)


def redirect(url: str) -> Response:
    """Send the browser there; 303, so that a password that was posted here is not posted there (RFC 9700 §4.12)."""
    return Response(status_code=303, headers={"location": url, "cache-control": "no-store"})


async def refuse(  # noqa: PLR0913 - whom, why, and how
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
        return await respond(core, call, client, reply_to, answer)
    mode: ResponseMode = "query.jwt" if reply_to.response_mode in _SIGNED else "query"
    response = await respond(core, call, client, Destination(reply_to.redirect_uri, mode, reply_to.state), answer)
    return core.pages.page(
        call.request,
        "leave.html",
        status=400,
        name=client.name,
        host=host_of(reply_to.redirect_uri),
        leads_to=response.headers["location"],
    )
