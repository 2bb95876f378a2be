"""The account page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.account.overview.end_sessions import end_other_sessions, end_own_session
from gatepass.server.features.account.overview.read import read_overview
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_MOST_EVENTS = 20
REASONS = frozenset(
    (
        *("wrong_password", "wrong_code", "code_used", "unknown_passkey", "account_disabled", "account_locked"),
        *("pwd", "otp", "passkey", "totp", "reset", "logout", "logout_all", "ended_by_user", "password_changed"),
    )
)
"""The reasons of events that have words; others say nothing to people."""


class EndSessionForm(PageForm, frozen=True, kw_only=True):
    """The form beside each session."""

    session: str = ""


class EndOthersForm(PageForm, frozen=True, kw_only=True):
    """The form below the sessions."""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its forms."""
    return (
        page("/pages/account", partial(show, core), CALLER),
        page_form("/pages/account/sessions/end", partial(submit_end, core), EndSessionForm, CALLER),
        page_form("/pages/account/sessions/end-others", partial(submit_end_others, core), EndOthersForm, CALLER),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Show the account to its owner."""
    caller = call.caller
    overview = await read_overview(core, caller.user.id)
    return core.pages.page(
        call.request,
        "account.html",
        has_console=core.settings.console,
        user=caller.user,
        current=caller.session_id,
        sessions=overview.sessions,
        events=overview.events[:_MOST_EVENTS],
        factors=overview.factors,
        offers_passkey=not overview.factors.passkeys and core.proofs.knows_passkeys,
        reasons=REASONS,
    )


async def submit_end(core: Core, call: Call, form: EndSessionForm) -> Response:
    """End one of the sessions, and show the others."""
    await end_own_session(core.database, call, form.session)
    return core.pages.go_to(core.pages.path("account"))


async def submit_end_others(core: Core, call: Call, _form: EndOthersForm) -> Response:
    """End every session but this one."""
    await end_other_sessions(core.database, call)
    return core.pages.go_to(core.pages.path("account"))
