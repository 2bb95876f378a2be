"""The pages of a forgotten password and of locking an account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.recovery.forgotten import send_link
from gatepass.server.features.recovery.lock import lock_account
from gatepass.server.features.recovery.reset import reset_password
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class ForgottenForm(PageForm, frozen=True, kw_only=True):
    """The address of the account."""

    email: str = ""


class ResetForm(PageForm, frozen=True, kw_only=True):
    """The token of the email's link, and the new password."""

    token: str = ""
    password: str = ""


class LockForm(PageForm, frozen=True, kw_only=True):
    """The token of the link "this wasn't me"."""

    token: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    forgotten, reset, lock = partial(show_forgotten, core), partial(show_reset, core), partial(show_lock, core)
    return (
        page("/pages/forgotten", forgotten, ANYONE),
        page_form("/pages/forgotten", partial(submit_forgotten, core), ForgottenForm, ANYONE, show=forgotten),
        page("/pages/reset", reset, ANYONE),
        page_form("/pages/reset", partial(submit_reset, core), ResetForm, ANYONE, show=reset),
        page("/pages/lock", lock, ANYONE),
        page_form("/pages/lock", partial(submit_lock, core), LockForm, ANYONE, show=lock),
    )


async def show_forgotten(
    core: Core, call: Call, form: ForgottenForm | None, error: GatepassError | None = None
) -> Response:
    """Show the form."""
    email, action = form.email if form is not None else "", core.pages.path("forgotten")
    return core.pages.page(
        call.request, "ask_email.html", error=error, key="forgotten", action=action, email=email, return_to=""
    )


async def submit_forgotten(core: Core, call: Call, form: ForgottenForm) -> Response:
    """Send the email, and tell the user to check it."""
    await send_link(core, call, form.email)
    return core.pages.message(call.request, "forgotten_sent")


async def show_reset(core: Core, call: Call, form: ResetForm | None, error: GatepassError | None = None) -> Response:
    """Show the form; whether the link is valid shows when it is submitted."""
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="reset",
        action=core.pages.path("reset"),
        token=call.query.get("token", "") if form is None else form.token,
        field="new_password",
        min_length=core.settings.password_min_length,
    )


async def submit_reset(core: Core, call: Call, form: ResetForm) -> Response:
    """Set the password."""
    await reset_password(core, call, form.token, form.password)
    return core.pages.message(call.request, "reset_done", next_path=core.pages.path("login"))


async def show_lock(core: Core, call: Call, form: LockForm | None, error: GatepassError | None = None) -> Response:
    """Show a button: email scanners follow links, but press no buttons."""
    token = call.query.get("token", "") if form is None else form.token
    action = core.pages.path("lock")
    return core.pages.page(
        call.request, "confirm.html", error=error, key="lock", action=action, token=token, field=None
    )


async def submit_lock(core: Core, call: Call, form: LockForm) -> Response:
    """Lock the account."""
    await lock_account(core, call, form.token)
    return core.pages.message(call.request, "locked", next_path=core.pages.path("forgotten"))
