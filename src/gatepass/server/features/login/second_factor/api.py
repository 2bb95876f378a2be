"""`POST /login/factor`: the second factor, for a token pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.login import invalid_challenge
from gatepass.server.features.login.second_factor.sign_in import passkey_options, pending_login, sign_in
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class FactorRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The challenge, and one factor: a `code` of an authenticator app, a recovery code, or a passkey's answer.

    `remember` is for cookie mode: this browser becomes a trusted device.
    """

    challenge: str
    code: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None
    remember: bool = False


class ChallengeRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The challenge that a passkey should answer."""

    challenge: str


class PasskeyOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials` takes as `publicKey`, as JSON (`parseRequestOptionsFromJSON`)."""

    public_key: dict[str, Any]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path="/login/factor",
            handler=partial(login, core),
            auth=ANYONE,
            summary="Sign in with the second factor",
            body=FactorRequest,
            answers={200: TokenPair},
            problems=(
                "login_denied",
                "hook_unavailable",
                "invalid_challenge",
                "invalid_code",
                "invalid_passkey",
                "passkeys_unavailable",
                "account_disabled",
                "account_locked",
                "too_many_attempts",
                "cross_site_request",
            ),
        ),
        Route(
            method="POST",
            path="/login/factor/options",
            handler=partial(options, core),
            auth=ANYONE,
            summary="Get options for a passkey as the second factor",
            body=ChallengeRequest,
            answers={200: PasskeyOptions},
            problems=("invalid_challenge", "passkeys_unavailable"),
        ),
    )


async def login(core: Core, call: Call, body: FactorRequest) -> Response:
    """Check the factor, open the session, answer with its tokens."""
    pending = await pending_login(core, body.challenge)
    if pending.token_request.cookie:
        core.browser.check_login(call.request)
        if core.login_responses.challenge_cookie.read(call.request) != body.challenge:
            raise invalid_challenge()
    elif body.remember:
        raise Refusal("invalid_body", "`remember` requires cookie mode.")
    claim = await core.proofs.read(
        code=body.code,
        recovery_code=body.recovery_code,
        passkey=body.passkey,
        ceremony="second_factor",
        party=pending.id,
    )
    opened, device = await sign_in(core, call, pending, claim, remember=body.remember)
    response = await core.login_responses.answer(opened)
    if pending.token_request.cookie:
        core.login_responses.keep_device(response, device)
    return response


async def options(core: Core, _call: Call, body: ChallengeRequest) -> Response:
    """Answer with the options for the user's passkeys."""
    return JsonResponse(PasskeyOptions(await passkey_options(core, await pending_login(core, body.challenge))))
