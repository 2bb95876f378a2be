"""`POST /login/email`: a code or link from an email, for a token pair."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.one_time_code import new_token
from gatepass.server.features.login.mail.sign_in import MailProof, send_code, sign_in
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.login_responses import SecondFactorRequired
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class EmailLoginRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The address to send the code to."""

    email: str


class CodeSent(Confidential, frozen=True):
    """An email was sent, if the account exists. Keep `challenge`: the code works only with it."""

    challenge: str
    expires_in: int


class EmailCodeRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The challenge, and the email's `code` or the `token` of its link. The rest is as for `/login`."""

    challenge: str
    code: str | None = None
    token: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path="/login/email",
            handler=partial(ask, core),
            auth=ANYONE,
            summary="Request an email with a sign-in code",
            body=EmailLoginRequest,
            answers={202: CodeSent},
            problems=("invalid_email", "too_many_attempts", "mail_not_configured"),
        ),
        Route(
            method="POST",
            path="/login/email/code",
            handler=partial(answer, core),
            auth=ANYONE,
            summary="Sign in with the code or token of the email",
            body=EmailCodeRequest,
            answers={200: TokenPair, 403: SecondFactorRequired},
            problems=(
                "login_denied",
                "hook_unavailable",
                "invalid_code",
                "second_factor_required",
                "unknown_client",
                "invalid_audience",
                "invalid_scope",
                "not_a_member",
                "provider_required",
                "cross_site_request",
            ),
        ),
    )


async def ask(core: Core, call: Call, body: EmailLoginRequest) -> Response:
    """Send the email; the answer is the same whether or not the account exists."""
    challenge = new_token()
    await send_code(core, call, body.email, challenge)
    return JsonResponse(CodeSent(challenge, core.settings.mail_code_seconds), 202)


async def answer(core: Core, call: Call, body: EmailCodeRequest) -> Response:
    """Open a session with the challenge and the email's code or token."""
    if body.cookie:
        core.browser.check_login(call.request)
    if (body.code is None) == (body.token is None):
        raise Refusal("invalid_body", "Send either `code` or `token`.")
    token_request = await call.token_request(
        client_id=body.client_id,
        audience=body.audience,
        scope=body.scope,
        organization=body.organization,
        cookie=body.cookie,
    )
    result = await sign_in(
        core, call, MailProof(challenge=body.challenge, code=body.code, token=body.token), token_request
    )
    return await core.login_responses.answer(result)
