"""`POST /login/passkey` and `POST /signup/passkey`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.signup_rules import SIGNUP_PROBLEMS
from gatepass.server.domain.credentials.factor_proofs import ANY_USER
from gatepass.server.features.login.passkey.sign_in import sign_in
from gatepass.server.features.login.passkey.sign_up import PasskeySignedUp, PasskeySignup, SignupOptions, offer, sign_up
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class SignInOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get` takes as `publicKey`, as JSON (`parseRequestOptionsFromJSON`)."""

    public_key: dict[str, Any]


class PasskeyLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.get` returned, as JSON. The rest is as for `/login`."""

    credential: dict[str, Any]
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None
    organization: str = ""


class SignupOptionsRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The address of the new account."""

    email: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="POST",
            path="/login/passkey/options",
            handler=partial(options, core),
            auth=ANYONE,
            summary="Get options for signing in with a passkey",
            body=Nothing,
            answers={200: SignInOptions},
            problems=("passkeys_unavailable",),
        ),
        Route(
            method="POST",
            path="/login/passkey",
            handler=partial(login, core),
            auth=ANYONE,
            summary="Sign in with a passkey",
            body=PasskeyLogin,
            answers={200: TokenPair},
            problems=(
                "login_denied",
                "hook_unavailable",
                "passkeys_unavailable",
                "invalid_passkey",
                "account_disabled",
                "account_locked",
                "unknown_client",
                "invalid_audience",
                "invalid_scope",
                "not_a_member",
                "provider_required",
                "cross_site_request",
            ),
        ),
        Route(
            method="POST",
            path="/signup/passkey/options",
            handler=partial(signup_options, core),
            auth=ANYONE,
            summary="Get options for creating an account with a passkey",
            body=SignupOptionsRequest,
            answers={200: SignupOptions},
            problems=(
                "signup_closed",
                "signup_by_mail_only",
                "invalid_email",
                "email_domain_not_allowed",
                "passkeys_unavailable",
            ),
        ),
        Route(
            method="POST",
            path="/signup/passkey",
            handler=partial(signup, core),
            auth=ANYONE,
            summary="Create an account with a passkey",
            body=PasskeySignup,
            answers={201: PasskeySignedUp},
            problems=(
                *SIGNUP_PROBLEMS,
                "signup_by_mail_only",
                "invalid_email",
                "passkeys_unavailable",
                "invalid_passkey",
                "email_taken",
                "too_many_attempts",
            ),
        ),
    )


async def options(core: Core, _call: Call, _body: Nothing) -> Response:
    """Answer with options for any passkey; the user chooses one."""
    return JsonResponse(SignInOptions(await core.proofs.request_options("sign_in", ANY_USER)))


async def login(core: Core, call: Call, body: PasskeyLogin) -> Response:
    """Check the passkey, open a session, answer with its tokens."""
    if body.cookie:
        core.browser.check_login(call.request)
    token_request = await call.token_request(
        client_id=body.client_id,
        audience=body.audience,
        scope=body.scope,
        organization=body.organization,
        cookie=body.cookie,
    )
    result = await sign_in(core, call, body.credential, token_request)
    return await core.login_responses.answer(result)


async def signup_options(core: Core, _call: Call, body: SignupOptionsRequest) -> Response:
    """Answer with options for the first passkey of a new account."""
    return JsonResponse(await offer(core, body.email))


async def signup(core: Core, call: Call, body: PasskeySignup) -> Response:
    """Create the account."""
    made = await sign_up(core, call, body)
    return JsonResponse(made, 201)
