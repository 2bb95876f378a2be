"""Connecting a provider's account to an existing account during sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.linked_identity import Claimed  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.web.pages import PageForm
from gatepass.server.web.provider_redirects import SealedCookie

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class ConnectAtLoginForm(PageForm, frozen=True, kw_only=True):
    """A form of one button."""


class PendingConnection(Confidential, frozen=True, kw_only=True):
    """A provider's account that will be connected once its user has signed in to the account here."""

    claimed: Claimed
    return_to: str
    expires_at: float


def waiting_cookie(core: Core) -> SealedCookie[PendingConnection]:
    """The cookie with the provider's answer until the user has signed in here."""
    return SealedCookie("gatepass-connect", PendingConnection, core.data_key, core.settings)


async def show_connect(core: Core, call: Call, _body: None) -> Response:
    """Ask the user, now signed in, whether to connect the two."""
    caller = call.caller
    waiting = await _still_waiting(core, call)
    return core.pages.page(
        call.request,
        "connect.html",
        provider=core.linking.name_of(waiting.claimed.provider),
        theirs=waiting.claimed.email,
        email=caller.user.email,
    )


async def submit_connect(core: Core, call: Call, _form: ConnectAtLoginForm) -> Response:
    """Connect them."""
    caller = call.caller
    waiting = await _still_waiting(core, call)
    where, language = call.origin, call.language
    await core.linking.connect(caller.user, caller.session_id, waiting.claimed, where=where, language=language)
    back = core.pages.return_path(waiting.return_to, core.pages.path("account/identities"))
    response = core.pages.go_back_to(call.request, back)
    waiting_cookie(core).drop(response)
    return response


async def _still_waiting(core: Core, call: Call) -> PendingConnection:
    waiting = waiting_cookie(core).read(call.request)
    if waiting is None or waiting.expires_at <= await core.database.read(_now):
        raise Refusal("invalid_state", "There is no account waiting to be connected: sign in with the provider again.")
    return waiting


async def _now(tx: Transaction) -> float:
    return tx.now
