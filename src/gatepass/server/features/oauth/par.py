"""`POST /oauth/par` (RFC 9126): a client pushes its authorization request, and gets a name for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.attempts import network_of
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.pushed_request import (
    MOST_OF_A_CLIENT,
    MOST_OF_A_NETWORK,
    PushedRequest,
    new_request_uri,
)
from gatepass.server.features.oauth.authorize.find import check_may_authorize, redirect_uri_in
from gatepass.server.features.oauth.authorize.parameters import Parameters
from gatepass.server.features.oauth.authorize.request import checked
from gatepass.server.features.oauth.authorize.signed_request import signed_parameters
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.client import ClientForm
from gatepass.server.web.auth.requirements import ANY_CLIENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class PushedForm(ClientForm, frozen=True, kw_only=True):
    """The parameters of an authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1, RFC 7636, RFC 8707).

    Fields that we do not know are ignored.
    """

    response_type: str | None = None
    redirect_uri: str | None = None
    scope: str | None = None
    state: str | None = None
    nonce: str | None = None
    response_mode: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    resource: tuple[str, ...] = ()
    prompt: str | None = None
    max_age: str | None = None
    acr_values: str | None = None
    login_hint: str | None = None
    ui_locales: str | None = None
    organization: str | None = None
    claims: str | None = None
    id_token_hint: str | None = None
    dpop_jkt: str | None = None
    registration: str | None = None
    authorization_details: str | None = None
    request: str | None = None
    request_uri: str | None = None


_SINGLE = tuple(sorted({*PushedForm.__struct_fields__} - {*ClientForm.__struct_fields__, "resource"}))
"""The parameters of an authorization request that stand once, without what authenticates the client."""


class PushedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9126 §2.2; `expires_in` in seconds."""

    request_uri: str
    expires_in: int


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path="/oauth/par",
            handler=partial(push, core),
            auth=ANY_CLIENT,
            summary="Push an authorization request (RFC 9126)",
            form=PushedForm,
            answers={201: PushedAnswer},
            open_to_pages=True,
            problems=(
                "unauthorized_client",
                "unsupported_response_type",
                "invalid_scope",
                "invalid_target",
                "invalid_dpop_proof",
                "use_dpop_nonce",
                "invalid_request_object",
                "registration_not_supported",
                "login_required",
                "unmet_authentication_requirements",
                "too_many_requests",
            ),
        ),
    )


async def push(core: Core, call: Call, form: PushedForm) -> Response:
    """Check the request as the authorization endpoint would, and keep it. Every refusal is JSON here."""
    client = call.client
    check_may_authorize(client)
    if form.request_uri is not None:
        raise Refusal("invalid_request", "A pushed request names no other one (RFC 9126 section 2.1).")
    proven_key = await core.dpop.thumbprint(call.request) or ""
    parameters = await signed_parameters(core, client, Parameters.of(_fields(form)))
    try:
        redirect_uri = redirect_uri_in(parameters, client)
    except Refusal as error:
        raise Refusal("invalid_request", error.detail) from error
    request = await checked(core, client, parameters, redirect_uri, is_pushed=True, proven_key=proven_key)
    request_uri, seconds = new_request_uri(), core.settings.request_uri_seconds
    is_stranger, network = client.is_public or client.is_self_registered, network_of(call.origin.address)

    async def unit(tx: Transaction) -> Refusal | None:
        if is_stranger and _are_too_many(*await tx.pushed_requests.count_of(client.id, network, tx.now)):
            return Refusal(
                "too_many_requests", "Too many requests of this client wait to be opened.", retry_after=seconds
            )
        await tx.pushed_requests.add(
            PushedRequest(
                digest=digest_of(request_uri),
                client_id=client.id,
                request=request,
                expires_at=tx.now + seconds,
                asked_from=network,
            )
        )
        return None

    await decide(core.database, unit, shared=True)
    return JsonResponse(PushedAnswer(request_uri=request_uri, expires_in=seconds), 201)


def _are_too_many(of_client: int, of_network: int) -> bool:
    """By network, so that no stranger keeps the client's own users out."""
    return of_network >= MOST_OF_A_NETWORK or of_client >= MOST_OF_A_CLIENT


def _fields(form: PushedForm) -> list[tuple[str, str]]:
    """The parameters of the request, without what authenticates the client."""
    single = [(name, value) for name in _SINGLE if (value := getattr(form, name)) is not None]
    return [*single, *(("resource", each) for each in form.resource)]
