"""`POST /reauthenticate`: exchanges a proof for a fresh access token."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.features.account.reauthentication.prove_again import Given, passkey_options, prove_again
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class ProvenAgain(Confidential, frozen=True, kw_only=True):
    """An access token with the new `auth_time`; the refresh token stays the same. `expires_in` in seconds."""

    token: str
    token_type: str
    expires_in: int


class RequestOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get` takes as `publicKey`, as JSON."""

    public_key: dict[str, Any]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path="/reauthenticate",
            handler=partial(prove, core),
            auth=CALLER,
            summary="Authenticate again, for a token with a new auth_time, and acr 2 with a second factor",
            body=Given,
            answers={200: ProvenAgain},
            problems=(
                "invalid_credentials",
                "invalid_code",
                "invalid_passkey",
                "passkeys_unavailable",
                "second_factor_required",
                "too_many_attempts",
                "busy",
            ),
        ),
        Route(
            method="POST",
            path="/reauthenticate/options",
            handler=partial(options, core),
            auth=CALLER,
            summary="Get options for authenticating again with a passkey",
            answers={200: RequestOptions},
            problems=("passkeys_unavailable",),
        ),
    )


async def prove(core: Core, call: Call, body: Given) -> Response:
    """Check the proof, and answer with a new access token of the same grant."""
    proven = await prove_again(core, call, body)
    if proven.subject is None:
        raise session_ended()
    subject = ClientPolicy.behind(proven.subject, core.settings).today(proven.subject)
    issued = await core.token_issuer.mint(subject, keys=core.keys.current, now=proven.now)
    return JsonResponse(ProvenAgain(token=issued.token, token_type=issued.token_type, expires_in=issued.expires_in))


async def options(core: Core, call: Call, _body: None) -> Response:
    """Answer with the options for the caller's passkeys."""
    return JsonResponse(RequestOptions(await passkey_options(core, call)))
