"""The login page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.factor_proofs import ANY_USER
from gatepass.server.features.login.password.sign_in import sign_in
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class LoginForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""
    password: str = ""
    return_to: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its form."""
    return (
        page("/pages/login", partial(show, core), ANYONE),
        page_form("/pages/login", partial(submit, core), LoginForm, ANYONE, show=partial(show_form, core)),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Show the form; to one who is signed in only where they are to sign in `again`, or as `another`."""
    return_to = _return_path(core, call.query.get("return_to", ""))
    visitor = await core.cookie_auth.of(call.request)
    if visitor is None or "another" in call.query:
        return await show_form(core, call, LoginForm(return_to=return_to, email=call.query.get("login_hint", "")))
    if "again" not in call.query:
        return core.pages.go_to(return_to)
    error = Refusal("recent_sign_in_required", "Sign in again to continue.")
    return await show_form(core, call, LoginForm(return_to=return_to, email=visitor.user.email), error)


async def submit(core: Core, call: Call, form: LoginForm) -> Response:
    """Sign in, and continue; any earlier cookie is replaced (against session fixation)."""
    token_request = await call.token_request(cookie=True)
    result = await sign_in(core, call, form.email, form.password, token_request)
    return await core.login_responses.go_on(call.request, result, form.return_to)


async def show_form(core: Core, call: Call, form: LoginForm, error: GatepassError | None = None) -> Response:
    """Show the form; the browser offers passkeys in its address field."""
    options = await core.proofs.request_options("sign_in", ANY_USER) if core.proofs.knows_passkeys else None
    return core.pages.page(
        call.request,
        "login.html",
        error=error,
        return_to=_return_path(core, form.return_to),
        email=form.email,
        options=options,
        scripted=options is not None,
        providers=core.linking.shown,
    )


def _return_path(core: Core, text: str) -> str:
    return core.pages.return_path(text, core.pages.home)
