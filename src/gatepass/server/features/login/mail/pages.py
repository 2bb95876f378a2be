"""The pages of signing in by email."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.digest import digest_of
from gatepass.server.features.login.mail.sign_in import MailProof, find_code, send_code, sign_in
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class MailLoginForm(PageForm, frozen=True, kw_only=True):
    """The page that asks for the address; `again` from the page that asks for the code."""

    email: str = ""
    return_to: str = ""
    again: str = ""


class CodeForm(PageForm, frozen=True, kw_only=True):
    """The page that asks for the code, or has the link's token."""

    code: str = ""
    token: str = ""
    email: str = ""
    return_to: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    return (
        page("/pages/login/email", partial(show_ask, core), ANYONE),
        page_form("/pages/login/email", partial(submit_ask, core), MailLoginForm, ANYONE, show=partial(show_ask, core)),
        page("/pages/login/link", partial(show_link, core), ANYONE),
        page_form("/pages/login/link", partial(submit_link, core), CodeForm, ANYONE, show=partial(show_link, core)),
        page_form(
            "/pages/login/email/code", partial(submit_code, core), CodeForm, ANYONE, show=partial(_code_page, core)
        ),
    )


async def show_ask(core: Core, call: Call, form: MailLoginForm | None, error: GatepassError | None = None) -> Response:
    """Show the form."""
    form = form or MailLoginForm(return_to=call.query.get("return_to", ""))
    return core.pages.page(
        call.request,
        "ask_email.html",
        error=error,
        key="email_login",
        action=core.pages.path("login/email"),
        email=form.email,
        return_to=core.pages.return_path(form.return_to, ""),
    )


async def submit_ask(core: Core, call: Call, form: MailLoginForm) -> Response:
    """Send the email, and ask for the code."""
    await send_code(
        core, call, form.email, core.pages.browser_of(call.request) or "", query=core.pages.return_query(form.return_to)
    )
    asked = CodeForm(email=form.email, return_to=form.return_to)
    return await _code_page(core, call, asked, is_again=bool(form.again))


async def submit_code(core: Core, call: Call, form: CodeForm) -> Response:
    """Sign in with the code that was typed."""
    return await _submit(core, call, form, code=form.code)


async def show_link(core: Core, call: Call, form: CodeForm | None, error: GatepassError | None = None) -> Response:
    """Show a button: email scanners follow links, but press no buttons.

    In another browser than the one that asked, the page says how to go on there, or to start here.
    """
    query = call.query
    form = form or CodeForm(token=query.get("token", ""), return_to=query.get("return_to", ""))
    code = await find_code(core.database, form.token)
    again = "login/email" + core.pages.return_query(form.return_to).replace("&", "?", 1)
    if code is None:
        return core.pages.dead_link(call.request, again, key="email_dead")
    if code.holder != digest_of(core.pages.browser_of(call.request) or ""):
        return core.pages.dead_link(call.request, again, key="email_elsewhere")
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="email_link",
        values={"email": code.email},
        action=core.pages.path("login/link"),
        token=form.token,
        field=None,
        return_to=core.pages.return_path(form.return_to, ""),
    )


async def submit_link(core: Core, call: Call, form: CodeForm) -> Response:
    """Sign in with the link."""
    return await _submit(core, call, form, token=form.token)


async def _submit(
    core: Core, call: Call, form: CodeForm, *, code: str | None = None, token: str | None = None
) -> Response:
    token_request = await call.token_request(cookie=True)
    browser = core.pages.browser_of(call.request) or ""
    result = await sign_in(core, call, MailProof(challenge=browser, code=code, token=token), token_request)
    return await core.login_responses.go_on(call.request, result, form.return_to)


async def _code_page(
    core: Core, call: Call, form: CodeForm, error: GatepassError | None = None, *, is_again: bool = False
) -> Response:
    return core.pages.page(
        call.request,
        "email_code.html",
        error=error,
        key="email_code",
        email=form.email,
        is_again=is_again,
        action=core.pages.path("login/email"),
        other=core.pages.path("login/email") + core.pages.return_query(form.return_to).replace("&", "?", 1),
        return_to=core.pages.return_path(form.return_to, ""),
    )
