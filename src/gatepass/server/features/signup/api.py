"""`POST /signup`: creates an account, if sign-up is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.domain.accounts.signup_rules import SIGNUP_PROBLEMS
from gatepass.server.domain.accounts.user import User
from gatepass.server.features.signup.sign_up import SignupRequest, sign_up, verify_address
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class VerifySignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the email's link, and the password that was chosen."""

    token: str
    password: str


class SignedUp(msgspec.Struct, frozen=True):
    """The new account."""

    id: str
    email: str


class SignupMailed(msgspec.Struct, frozen=True):
    """An email was sent; the account is created when its link is used."""

    email: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path="/signup",
            handler=partial(signup, core),
            auth=ANYONE,
            summary="Create an account",
            body=SignupRequest,
            answers={201: SignedUp, 202: SignupMailed},
            problems=(
                *SIGNUP_PROBLEMS,
                "email_taken",
                "invalid_email",
                "too_many_attempts",
                *PASSWORD_PROBLEMS,
            ),
        ),
        Route(
            method="POST",
            path="/signup/verify",
            handler=partial(verify, core),
            auth=ANYONE,
            summary="Create the account with the token of the sign-up email",
            body=VerifySignupRequest,
            answers={201: SignedUp},
            problems=(
                "invalid_code",
                "invalid_credentials",
                "too_many_attempts",
                "busy",
                "signup_denied",
                "hook_unavailable",
            ),
        ),
    )


async def signup(core: Core, call: Call, body: SignupRequest) -> Response:
    """Create the account, or with a mail server send the link that does."""
    made = await sign_up(core, call, body)
    match made:
        case User():
            return JsonResponse(SignedUp(made.id, made.email), 201)
        case str():
            return JsonResponse(SignupMailed(made), 202)


async def verify(core: Core, call: Call, body: VerifySignupRequest) -> Response:
    """Create the account for the user who has the email's token and the password."""
    user = await verify_address(core, call, body.token, browser="", password=body.password)
    return JsonResponse(SignedUp(user.id, user.email), 201)
