"""`POST /oauth/device`: a device asks for a code that a person types into their browser."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.attempts import network_of
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
from gatepass.server.domain.sessions.device_code import (
    DEVICE_SECONDS,
    GRANT_TYPE,
    MOST_IN_ALL,
    MOST_OF_A_CLIENT,
    PAUSE_SECONDS,
    DeviceCode,
    new_device_code,
    new_user_code,
)
from gatepass.server.features.oauth.authorize.checks import DEVICE_CHECKS, registered_resources, requested_scope
from gatepass.server.features.oauth.authorize.parameters import Parameters
from gatepass.server.features.oauth.authorize.request import asked_by
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.client import ClientForm
from gatepass.server.web.auth.requirements import ANY_CLIENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.features.oauth.device.user_codes import UserCodes
    from gatepass.server.web.call import Call

_TRIES = 5
"""Of user codes until one is free: of 25 thousand million, some thousands wait at the very most."""


class DeviceForm(ClientForm, frozen=True, kw_only=True):
    """RFC 8628 §3.1, RFC 8707 §2, RFC 9449 §10, and the `nonce` that the ID token repeats."""

    scope: str | None = None
    resource: tuple[str, ...] = ()
    nonce: str | None = None
    dpop_jkt: str | None = None


class DeviceAnswer(Confidential, frozen=True, kw_only=True):
    """RFC 8628 §3.2; `expires_in` and `interval` in seconds."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


def routes(core: Core, user_codes: UserCodes) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path="/oauth/device",
            handler=partial(ask, core, user_codes),
            auth=ANY_CLIENT,
            summary="Ask to sign in on a device without a browser (RFC 8628)",
            form=DeviceForm,
            answers={200: DeviceAnswer},
            problems=(
                "unauthorized_client",
                "invalid_scope",
                "invalid_target",
                "invalid_dpop_proof",
                "use_dpop_nonce",
                "too_many_requests",
            ),
        ),
    )


async def ask(core: Core, user_codes: UserCodes, call: Call, form: DeviceForm) -> Response:
    """Keep what the device asks for, under two codes: a long one to poll with, and a short one to type."""
    client = call.client
    if GRANT_TYPE not in client.grant_types:
        raise Refusal("unauthorized_client", "The client was not given this grant type.")
    proven_key = await core.dpop.thumbprint(call.request) or ""
    asked = await asked_by(core, client, _parameters(form), proven_key=proven_key)
    for check in DEVICE_CHECKS:
        check(asked)
    request = AuthorizationRequest(
        client_id=client.id,
        redirect_uri="",
        scope=requested_scope(asked),
        resource=registered_resources(asked),
        nonce=form.nonce or "",
        dpop_jkt=form.dpop_jkt or proven_key,
    )
    origin, device_code = call.origin, new_device_code()

    async def unit(tx: Transaction) -> str | Refusal:
        if _are_too_many(await tx.device_codes.addresses_of(client.id, tx.now), origin.address):
            return Refusal("too_many_requests", "Too many devices of this client wait.", retry_after=DEVICE_SECONDS)
        for _ in range(_TRIES):
            user_code = new_user_code()
            is_kept = await tx.device_codes.add(
                DeviceCode(
                    digest=digest_of(device_code),
                    user_digest=user_codes.digest(user_code),
                    request=request,
                    asked_from=origin,
                    asked_at=tx.now,
                    expires_at=tx.now + DEVICE_SECONDS,
                )
            )
            if is_kept:
                return user_code
        return Refusal("too_many_requests", "No code is free just now.", retry_after=PAUSE_SECONDS)

    user_code = await decide(core.database, unit)
    address = f"{core.settings.issuer_url}/device"
    return JsonResponse(
        DeviceAnswer(
            device_code=device_code,
            user_code=user_code,
            verification_uri=address,
            verification_uri_complete=f"{address}?user_code={user_code}",
            expires_in=DEVICE_SECONDS,
            interval=PAUSE_SECONDS,
        )
    )


def _are_too_many(waiting: Sequence[str], address: str) -> bool:
    """By network, so that no stranger keeps the devices of everybody else out."""
    network = network_of(address)
    of_network = sum(network_of(each) == network for each in waiting)
    return of_network >= MOST_OF_A_CLIENT or len(waiting) >= MOST_IN_ALL


def _parameters(form: DeviceForm) -> Parameters:
    named = {name: getattr(form, name) for name in ("scope", "nonce", "dpop_jkt")}
    fields = [(name, value) for name, value in named.items() if value is not None]
    return Parameters.of([*fields, *(("resource", each) for each in form.resource)])
