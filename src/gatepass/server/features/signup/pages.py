"""The pages of creating an account."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.digest import digest_of
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import SINGLE_FACTOR
from gatepass.server.features.signup.sign_up import SignupRequest, find_code, send_again, sign_up, verify_address
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
    return_to: str = ""


class AgainForm(PageForm, frozen=True, kw_only=True):
    """The button that sends another email."""

    return_to: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    return (
        page("/pages/signup", partial(show, core), ANYONE),
        page_form("/pages/signup", partial(submit, core), SignupForm, ANYONE, show=partial(show, core)),
        page_form("/pages/signup/again", partial(submit_again, core), AgainForm, ANYONE, show=partial(show, core)),
        page("/pages/signup/verify", partial(show_verify, core), ANYONE),
        page_form(
            "/pages/signup/verify", partial(submit_verify, core), VerifyForm, ANYONE, show=partial(show_verify, core)
        ),
    )


async def show(
    core: Core, call: Call, form: SignupForm | AgainForm | None, error: GatepassError | None = None
) -> Response:
    """Show the form."""
    return_to = call.query.get("return_to", "") if form is None else form.return_to
    response = core.pages.page(
        call.request,
        "signup.html",
        error=error,
        return_to=core.pages.return_path(return_to, ""),
        email=form.email if isinstance(form, SignupForm) else "",
        min_length=core.settings.password_min_length,
        by_passkey=core.relying_party.is_possible and core.settings.mail != "smtp",
        captcha=captcha_of(core.settings),
    )
    return admit_captcha(response, core.settings)


async def submit(core: Core, call: Call, form: SignupForm) -> Response:
    """Create the account, and sign in; or ask the user to check their email."""
    browser, query = core.pages.browser_of(call.request) or "", core.pages.return_query(form.return_to)
    request = SignupRequest(form.email, form.password, captcha=form.captcha)
    made = await sign_up(core, call, request, browser=browser, query=query)
    if isinstance(made, str):
        return _check_email(core, call, made, form.return_to)
    return await _sign_in(core, call, made.id, form, "pwd")


async def submit_again(core: Core, call: Call, form: AgainForm) -> Response:
    """Send another email for the sign-up of this browser."""
    browser, query = core.pages.browser_of(call.request) or "", core.pages.return_query(form.return_to)
    email = await send_again(core, call, browser=browser, query=query)
    return _check_email(core, call, email, form.return_to, is_again=True)


async def submit_verify(core: Core, call: Call, form: VerifyForm) -> Response:
    """Create the account, and sign in."""
    browser = core.pages.browser_of(call.request) or ""
    user = await verify_address(core, call, form.token, browser=browser, password=form.password)
    return await _sign_in(core, call, user.id, form, "otp")


async def show_verify(core: Core, call: Call, form: VerifyForm | None, error: GatepassError | None = None) -> Response:
    """Show a button; in another browser than the requesting one, also a field for the password."""
    form = form or VerifyForm(token=call.query.get("token", ""), return_to=call.query.get("return_to", ""))
    code = await find_code(core, form.token)
    if code is None:
        return core.pages.dead_link(call.request, "signup", key="signup_dead")
    is_here = code.holder == digest_of(core.pages.browser_of(call.request) or "")
    return core.pages.page(
        call.request,
        "confirm.html",
        error=error,
        key="signup_verify" if is_here else "signup_elsewhere",
        values={"email": code.email},
        action=core.pages.path("signup/verify"),
        token=form.token,
        return_to=core.pages.return_path(form.return_to, ""),
        email=code.email,
        field=None if is_here else "password",
    )


async def _sign_in(core: Core, call: Call, user_id: str, form: SignupForm | VerifyForm, amr: str) -> Response:
    """Sign the owner of a new account in; where that is refused, the page says that the account is there."""
    proof = Authentication(acr=SINGLE_FACTOR, amr=(amr,), where=call.origin)
    result = await core.first_login.open(user_id, proof, await call.token_request(cookie=True))
    if result is None:
        query = core.pages.return_query(form.return_to).replace("&", "?", 1)
        return core.pages.message(call.request, "signed_up", next_path=core.pages.path("login") + query)
    return await core.login_responses.go_on(call.request, result, form.return_to)


def _check_email(core: Core, call: Call, email: str, return_to: str, *, is_again: bool = False) -> Response:
    query = core.pages.return_query(return_to).replace("&", "?", 1)
    return core.pages.page(
        call.request,
        "check_email.html",
        key="signup_sent",
        email=email,
        is_again=is_again,
        action=core.pages.path("signup/again"),
        other=core.pages.path("signup") + query,
        return_to=core.pages.return_path(return_to, ""),
    )
