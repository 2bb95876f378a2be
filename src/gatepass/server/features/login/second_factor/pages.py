"""The page that asks for the second factor."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.recovery_codes import tell_apart
from gatepass.server.features.login.second_factor.sign_in import passkey_options, pending_login, sign_in
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class FactorForm(PageForm, frozen=True, kw_only=True):
    """The forms: a code, a recovery code, or a passkey's answer filled in by the script."""

    code: str = ""
    recovery_code: str = ""
    passkey: str = ""
    remember: str = ""
    return_to: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its form."""
    return (
        page("/pages/login/factor", partial(show, core), ANYONE),
        page_form("/pages/login/factor", partial(submit, core), FactorForm, ANYONE, show=partial(_page, core)),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Show the form, to the browser that has the challenge."""
    try:
        return await _page(core, call, FactorForm(return_to=call.query.get("return_to", "")))
    except Refusal:
        return core.pages.go_to(core.pages.path("login"))


async def submit(core: Core, call: Call, form: FactorForm) -> Response:
    """Check the factor, and continue."""
    pending = await pending_login(core, core.login_responses.challenge_cookie.read(call.request))
    passkey = parse_object(form.passkey) if form.passkey else None
    code, recovery_code = tell_apart(form.code or form.recovery_code) if passkey is None else (None, None)
    claim = await core.proofs.read(
        code=code, recovery_code=recovery_code, passkey=passkey, ceremony="second_factor", party=pending.id
    )
    opened, device = await sign_in(core, call, pending, claim, remember=bool(form.remember))
    response = await core.login_responses.go_on(call.request, opened, form.return_to)
    core.login_responses.keep_device(response, device)
    return response


async def _page(core: Core, call: Call, form: FactorForm, error: GatepassError | None = None) -> Response:
    pending = await pending_login(core, core.login_responses.challenge_cookie.read(call.request))

    async def unit(tx: Transaction) -> Factors:
        return await tx.factors.of(pending.user_id)

    factors = await core.database.read(unit)
    asks_passkey = bool(factors.passkeys) and core.proofs.knows_passkeys
    return core.pages.page(
        call.request,
        "factor.html",
        error=error,
        return_to=core.pages.return_path(form.return_to, ""),
        kinds=factors.kinds,
        recovery_tried=bool(form.recovery_code),
        options=await passkey_options(core, pending) if asks_passkey else None,
        scripted=asks_passkey,
        can_remember=core.settings.remember_device_days > 0,
        days=core.settings.remember_device_days,
    )
