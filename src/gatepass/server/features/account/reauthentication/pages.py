"""The page where a signed-in user authenticates again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.credentials.recovery_codes import tell_apart
from gatepass.server.features.account.reauthentication.prove_again import Given, passkey_options, prove_again
from gatepass.server.web.auth.requirements import CALLER
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


class ProofForm(PageForm, frozen=True, kw_only=True):
    """The page's forms: the password, a code, a recovery code, or a passkey filled in by the script."""

    password: str = ""
    code: str = ""
    recovery_code: str = ""
    passkey: str = ""
    return_to: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its form."""
    return (
        page("/pages/reauthenticate", partial(show, core), CALLER),
        page_form("/pages/reauthenticate", partial(submit, core), ProofForm, CALLER, show=partial(show, core)),
    )


async def show(core: Core, call: Call, form: ProofForm | None, error: GatepassError | None = None) -> Response:
    """Show the form; a user with neither factor nor password signs in again."""
    return_to = call.query.get("return_to", "") if form is None else form.return_to
    user_id = call.caller.user.id

    async def unit(tx: Transaction) -> tuple[Factors, bool]:
        return await tx.factors.of(user_id), await tx.passwords.of(user_id) is not None

    factors, has_password = await core.database.read(unit)
    if not factors.are_asked and not has_password:
        query = core.pages.return_query(return_to)
        return core.pages.go_to(f"{core.pages.path('login')}?again=1{query}")
    asks_passkey = bool(factors.passkeys) and core.proofs.knows_passkeys
    return core.pages.page(
        call.request,
        "reauthenticate.html",
        error=error,
        return_to=core.pages.return_path(return_to, ""),
        kinds=factors.kinds,
        recovery_tried=form is not None and bool(form.recovery_code),
        options=await passkey_options(core, call) if asks_passkey else None,
        scripted=asks_passkey,
    )


async def submit(core: Core, call: Call, form: ProofForm) -> Response:
    """Check the proof and go on."""
    await prove_again(core, call, _given(form))
    return core.pages.go_back_to(call.request, core.pages.return_path(form.return_to, core.pages.path("account")))


def _given(form: ProofForm) -> Given:
    """The form's content as a proof."""
    if form.passkey:
        return Given(passkey=parse_object(form.passkey))
    typed = form.code or form.recovery_code
    if not typed:
        return Given(password=form.password)
    code, recovery_code = tell_apart(typed)
    return Given(code=code, recovery_code=recovery_code)
