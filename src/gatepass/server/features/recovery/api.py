"""`POST /password/forgotten`, `POST /password/reset` and `POST /account/lock`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.features.recovery.forgotten import send_link
from gatepass.server.features.recovery.lock import lock_account
from gatepass.server.features.recovery.reset import reset_password
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class ForgottenRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The address of the account."""

    email: str


class MailSent(msgspec.Struct, frozen=True):
    """An email was sent, if the account exists."""

    email: str


class ResetRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the email's link, and the new password."""

    token: str
    password: str


class LockRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the link "this wasn't me"."""

    token: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path="/password/forgotten",
            handler=partial(ask_for_link, core),
            auth=ANYONE,
            summary="Request an email to reset the password",
            body=ForgottenRequest,
            answers={202: MailSent},
            problems=("invalid_email", "too_many_attempts", "mail_not_configured"),
        ),
        Route(
            method="POST",
            path="/password/reset",
            handler=partial(reset, core),
            auth=ANYONE,
            summary="Set a new password with the token of the email, and end all sessions",
            body=ResetRequest,
            answers={204: None},
            problems=("invalid_code", *PASSWORD_PROBLEMS),
        ),
        Route(
            method="POST",
            path="/account/lock",
            handler=partial(lock, core),
            auth=ANYONE,
            summary="Lock an account with the link of a warning email",
            body=LockRequest,
            answers={204: None},
            problems=("invalid_code",),
        ),
    )


async def ask_for_link(core: Core, call: Call, body: ForgottenRequest) -> Response:
    """Send the email; the answer is the same whether or not the account exists."""
    return JsonResponse(MailSent(await send_link(core, call, body.email)), 202)


async def reset(core: Core, call: Call, body: ResetRequest) -> Response:
    """Set the password."""
    await reset_password(core, call, body.token, body.password)
    return no_content()


async def lock(core: Core, call: Call, body: LockRequest) -> Response:
    """Lock the account."""
    await lock_account(core, call, body.token)
    return no_content()
