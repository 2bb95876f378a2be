"""The pages that change the email address and password, export the data, and delete the account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.features.account.profile.change_email import confirm_address, new_address, send_link
from gatepass.server.features.account.profile.change_password import set_password
from gatepass.server.features.account.profile.delete_account import delete_account
from gatepass.server.features.account.profile.export import export
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class EmailForm(PageForm, frozen=True, kw_only=True):
    """The form for another address; `again` from the page that says that an email was sent."""

    email: str = ""
    again: str = ""


class ConfirmForm(PageForm, frozen=True, kw_only=True):
    """The page of an email's link."""

    token: str = ""


class PasswordForm(PageForm, frozen=True, kw_only=True):
    """The form for another password."""

    password: str = ""


class DeleteForm(PageForm, frozen=True, kw_only=True):
    """The form that deletes the account, with its address typed once more."""

    email: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    email, confirm, password = partial(show_email, core), partial(show_confirm, core), partial(show_password, core)
    delete = partial(show_delete, core)
    return (
        page("/pages/account/email", email, RECENT),
        page_form("/pages/account/email", partial(submit_email, core), EmailForm, RECENT, show=email),
        page("/pages/account/email/confirm", confirm, CALLER),
        page_form("/pages/account/email/confirm", partial(submit_confirm, core), ConfirmForm, CALLER, show=confirm),
        page("/pages/account/password", password, RECENT),
        page_form("/pages/account/password", partial(submit_password, core), PasswordForm, RECENT, show=password),
        page("/pages/account/export", partial(show_export, core), RECENT),
        page("/pages/account/delete", delete, RECENT),
        page_form("/pages/account/delete", partial(submit_delete, core), DeleteForm, RECENT, show=delete),
    )


async def show_email(core: Core, call: Call, form: EmailForm | None, error: GatepassError | None = None) -> Response:
    """Show the form."""
    email = call.caller.user.email if form is None else form.email
    action = core.pages.path("account/email")
    return core.pages.page(call.request, "ask_email.html", error=error, key="email_change", action=action, email=email)


async def submit_email(core: Core, call: Call, form: EmailForm) -> Response:
    """Send a link to the new address."""
    email = await send_link(core, call, form.email)
    return core.pages.page(
        call.request,
        "check_email.html",
        key="email_change_sent",
        email=email,
        is_again=bool(form.again),
        action=core.pages.path("account/email"),
        other=core.pages.path("account/email"),
        next_path=core.pages.path("account"),
    )


async def show_confirm(
    core: Core, call: Call, form: ConfirmForm | None, error: GatepassError | None = None
) -> Response:
    """Show a button."""
    token = call.query.get("token", "") if form is None else form.token
    address = await new_address(core.database, call.caller.user.id, token)
    if address is None:
        return core.pages.dead_link(call.request, "account/email", key="email_confirm_dead")
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="email_confirm",
        values={"email": address},
        action=core.pages.path("account/email/confirm"),
        token=token,
        field=None,
    )


async def submit_confirm(core: Core, call: Call, form: ConfirmForm) -> Response:
    """Change the address."""
    await confirm_address(core, call, form.token)
    return core.pages.go_to(core.pages.path("account"))


async def show_password(
    core: Core, call: Call, _form: PasswordForm | None, error: GatepassError | None = None
) -> Response:
    """Show the form."""
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="password",
        action=core.pages.path("account/password"),
        token="",
        field="new_password",
        min_length=core.settings.password_min_length,
    )


async def submit_password(core: Core, call: Call, form: PasswordForm) -> Response:
    """Change the password."""
    await set_password(core, call, form.password)
    return core.pages.message(call.request, "password_set", next_path=core.pages.path("account"))


async def show_export(core: Core, call: Call, _body: None) -> Response:
    """Download all data as a file."""
    response = JsonResponse(await export(core.database, call))
    response.headers["content-disposition"] = 'attachment; filename="account.json"'
    return response


async def show_delete(core: Core, call: Call, _form: DeleteForm | None, error: GatepassError | None = None) -> Response:
    """Ask for confirmation, which is typed."""
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="delete",
        action=core.pages.path("account/delete"),
        token="",
        field="typed_email",
        email=call.caller.user.email,
    )


async def submit_delete(core: Core, call: Call, form: DeleteForm) -> Response:
    """Delete the account, and the browser's cookie."""
    if form.email.strip().lower() != call.caller.user.email:
        raise Refusal("confirmation_differs", "Type the email address of your account to delete it.")
    await delete_account(core, call)
    response = core.pages.message(call.request, "deleted")
    core.browser.clear_cookie(call.request, response)
    return response
