"""The pages of a forgotten password and of locking an account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.recovery.forgotten import send_link
from gatepass.server.features.recovery.lock import can_lock, lock_account
from gatepass.server.features.recovery.reset import address_of, reset_password
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
    """The address of the account; `again` from the page that says that an email was sent."""

    email: str = ""
    return_to: str = ""
    again: str = ""


class ResetForm(PageForm, frozen=True, kw_only=True):
    """The token of the email's link, and the new password."""

    token: str = ""
    password: str = ""
    return_to: str = ""


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
    form = form or ForgottenForm(email=call.query.get("email", ""), return_to=call.query.get("return_to", ""))
    return core.pages.page(
        call.request,
        "ask_email.html",
        error=error,
        key="forgotten",
        action=core.pages.path("forgotten"),
        email=form.email,
        return_to=core.pages.return_path(form.return_to, ""),
    )


async def submit_forgotten(core: Core, call: Call, form: ForgottenForm) -> Response:
    """Send the email, and tell the user to check it."""
    query = core.pages.return_query(form.return_to)
    email = await send_link(core, call, form.email, query=query)
    return core.pages.page(
        call.request,
        "check_email.html",
        key="forgotten_sent",
        email=email,
        is_again=bool(form.again),
        action=core.pages.path("forgotten"),
        other=core.pages.path("forgotten") + query.replace("&", "?", 1),
        return_to=core.pages.return_path(form.return_to, ""),
    )


async def show_reset(core: Core, call: Call, form: ResetForm | None, error: GatepassError | None = None) -> Response:
    """Show the form, with the address whose password it sets; a link that works no longer is said to be one."""
    form = form or ResetForm(token=call.query.get("token", ""), return_to=call.query.get("return_to", ""))
    email = await address_of(core.database, form.token)
    if email is None:
        return core.pages.dead_link(call.request, "forgotten", key="reset_dead")
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="reset",
        values={"email": email},
        action=core.pages.path("reset"),
        token=form.token,
        return_to=core.pages.return_path(form.return_to, ""),
        field="new_password",
        email=email,
        min_length=core.settings.password_min_length,
    )


async def submit_reset(core: Core, call: Call, form: ResetForm) -> Response:
    """Set the password, and sign in; a second factor is asked for as always."""
    token_request = await call.token_request(cookie=True)
    result = await reset_password(core, call, form.token, form.password, token_request=token_request)
    if result is None:
        return core.pages.message(call.request, "reset_done", next_path=core.pages.path("login"))
    home = core.pages.return_path(form.return_to, core.pages.home)
    shown = core.pages.message(call.request, "reset_signed_in", next_path=home)
    return await core.login_responses.go_on(call.request, result, form.return_to, shown=shown)


async def show_lock(core: Core, call: Call, form: LockForm | None, error: GatepassError | None = None) -> Response:
    """Show a button: email scanners follow links, but press no buttons."""
    token = call.query.get("token", "") if form is None else form.token
    if not await can_lock(core.database, token):
        return core.pages.dead_link(call.request, "forgotten", key="lock_dead")
    action = core.pages.path("lock")
    return core.pages.page(
        call.request, "confirm.html", error=error, key="lock", action=action, token=token, field=None
    )


async def submit_lock(core: Core, call: Call, form: LockForm) -> Response:
    """Lock the account."""
    await lock_account(core, call, form.token)
    return core.pages.message(call.request, "locked", next_path=core.pages.path("forgotten"))
