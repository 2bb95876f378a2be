"""The pages of signing in and up with a passkey."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.features.login.passkey.sign_in import sign_in
from gatepass.server.features.login.passkey.sign_up import PasskeySignup, offer, sign_up
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.captcha import CaptchaForm, admit_captcha, captcha_of
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.credentials.passkeys.passkey import Passkey
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class SignInForm(PageForm, frozen=True, kw_only=True):
    """The form that the script fills in."""

    passkey: str = ""
    return_to: str = ""


class PasskeySignupForm(CaptchaForm, frozen=True, kw_only=True):
    """The first step of signing up; the second has a passkey too."""

    email: str = ""
    id: str = ""
    passkey: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    return (
        page_form("/pages/login/passkey", partial(submit, core), SignInForm, ANYONE),
        page("/pages/signup/passkey", partial(show_signup, core), ANYONE),
        page_form(
            "/pages/signup/passkey",
            partial(submit_signup, core),
            PasskeySignupForm,
            ANYONE,
            show=partial(show_signup, core),
        ),
    )


async def submit(core: Core, call: Call, form: SignInForm) -> Response:
    """Sign in, and continue."""
    token_request = await call.token_request(cookie=True)
    result = await sign_in(core, call, parse_object(form.passkey), token_request)
    return await core.login_responses.go_on(call.request, result, form.return_to)


async def show_signup(
    core: Core, call: Call, form: PasskeySignupForm | None, error: GatepassError | None = None
) -> Response:
    """Show the first step."""
    email, action = form.email if form is not None else "", core.pages.path("signup/passkey")
    return core.pages.page(
        call.request, "ask_email.html", error=error, key="signup_passkey_email", action=action, email=email
    )


async def submit_signup(core: Core, call: Call, form: PasskeySignupForm) -> Response:
    """Show the second step; then create the account."""
    if not form.passkey:
        return await _second_step(core, call, form)
    signup = PasskeySignup(id=form.id, email=form.email, credential=parse_object(form.passkey), captcha=form.captcha)
    made = await sign_up(core, call, signup)
    amr = (*(await _passkey_of(core, made.id)).amr, "mfa")
    proof = Authentication(acr=TWO_FACTORS, amr=amr, where=call.origin)
    result = await core.first_login.open(made.id, proof, await call.token_request(cookie=True))
    next_path = core.pages.path("login") if result is None else core.pages.home
    shown = core.pages.page(call.request, "recovery_codes.html", codes=made.recovery_codes, next_path=next_path)
    return shown if result is None else await core.login_responses.go_on(call.request, result, "", shown=shown)


async def _passkey_of(core: Core, user_id: str) -> Passkey:
    async def unit(tx: Transaction) -> Passkey:
        return (await tx.passkeys.of(user_id))[0]

    return await core.database.read(unit)


async def _second_step(core: Core, call: Call, form: PasskeySignupForm) -> Response:
    offered = await offer(core, form.email)
    response = core.pages.page(
        call.request,
        "signup_passkey.html",
        id=offered.id,
        email=form.email,
        options=offered.public_key,
        scripted=True,
        captcha=captcha_of(core.settings),
    )
    return admit_captcha(response, core.settings)
