"""The pages of creating an account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.digest import digest_of
from gatepass.server.features.signup.sign_up import SignupRequest, find_code, sign_up, verify_address
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.captcha import CaptchaForm, admit_captcha, captcha_of
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class SignupForm(CaptchaForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""
    password: str = ""
    return_to: str = ""


class VerifyForm(PageForm, frozen=True, kw_only=True):
    """The page of the email's link."""

    token: str = ""
    password: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    return (
        page("/pages/signup", partial(show, core), ANYONE),
        page_form("/pages/signup", partial(submit, core), SignupForm, ANYONE, show=partial(show, core)),
        page("/pages/signup/verify", partial(show_verify, core), ANYONE),
        page_form(
            "/pages/signup/verify", partial(submit_verify, core), VerifyForm, ANYONE, show=partial(show_verify, core)
        ),
    )


async def show(core: Core, call: Call, form: SignupForm | None, error: GatepassError | None = None) -> Response:
    """Show the form."""
    return_to = call.query.get("return_to", "") if form is None else form.return_to
    response = core.pages.page(
        call.request,
        "signup.html",
        error=error,
        return_to=core.pages.return_path(return_to, ""),
        email=form.email if form is not None else "",
        min_length=core.settings.password_min_length,
        by_passkey=core.relying_party.is_possible and core.settings.mail != "smtp",
        captcha=captcha_of(core.settings),
    )
    return admit_captcha(response, core.settings)


async def submit(core: Core, call: Call, form: SignupForm) -> Response:
    """Create the account, and redirect to the sign-in page; or ask the user to check their email."""
    browser = core.pages.browser_of(call.request) or ""
    made = await sign_up(core, call, SignupRequest(form.email, form.password, captcha=form.captcha), browser=browser)
    if isinstance(made, str):
        return core.pages.message(call.request, "signup_sent", email=made)
    query = core.pages.return_query(form.return_to).replace("&", "?", 1)
    return core.pages.message(call.request, "signed_up", next_path=core.pages.path("login") + query)


async def submit_verify(core: Core, call: Call, form: VerifyForm) -> Response:
    """Create the account."""
    browser = core.pages.browser_of(call.request) or ""
    await verify_address(core, call, form.token, browser=browser, password=form.password)
    return core.pages.message(call.request, "signed_up", next_path=core.pages.path("login"))


async def show_verify(core: Core, call: Call, form: VerifyForm | None, error: GatepassError | None = None) -> Response:
    """Show a button; in another browser than the requesting one, also a field for the password."""
    token = call.query.get("token", "") if form is None else form.token
    code = await find_code(core, token)
    is_here = code is None or code.holder == digest_of(core.pages.browser_of(call.request) or "")
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="signup_verify" if is_here else "signup_elsewhere",
        action=core.pages.path("signup/verify"),
        token=token,
        field=None if is_here else "password",
    )
