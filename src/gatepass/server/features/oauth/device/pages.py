"""The pages of a device: type the code, see what asks, agree or not. Opening one changes nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.authorization_request import OPENID
from gatepass.server.domain.sessions.client_documents import document_host
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.scopes import scope_text
from gatepass.server.web.auth.requirements import ANYONE, CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.device_code import DeviceCode
    from gatepass.server.features.oauth.device.user_codes import UserCodes
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class UserCodeForm(PageForm, frozen=True, kw_only=True):
    """The code that the device shows, what the person decides, and the scopes that they have left ticked."""

    user_code: str = ""
    decision: str = ""
    scope: tuple[str, ...] = ()


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...


def routes(core: Core, user_codes: UserCodes) -> tuple[Route, ...]:
    """The short address that a device shows, and the pages behind it."""
    return (
        page("/device", partial(lead_to_page, core), ANYONE),
        page("/pages/device", partial(show, core), CALLER),
        page_form("/pages/device", partial(look, core, user_codes), UserCodeForm, CALLER, show=partial(show, core)),
        page_form(
            "/pages/device/decide", partial(submit, core, user_codes), UserCodeForm, CALLER, show=partial(show, core)
        ),
    )


async def lead_to_page(core: Core, call: Call, _body: None) -> Response:
    """Lead from the short address to the page, with the code if that was scanned."""
    user_code = call.query.get("user_code", "")
    path = core.pages.path("device")
    return core.pages.go_to(core.pages.with_query(path, {"user_code": user_code}) if user_code else path)


async def show(core: Core, call: Call, form: UserCodeForm | None, error: GatepassError | None = None) -> Response:
    """Ask for the code; one that is in the address is filled in, and still has to be sent."""
    user_code = call.query.get("user_code", "") if form is None else form.user_code
    return core.pages.page(call.request, "device.html", error=error, user_code=user_code)


async def look(core: Core, user_codes: UserCodes, call: Call, form: UserCodeForm) -> Response:
    """Show which device waits, what it asks for, and from where it asked."""

    async def unit(tx: Transaction) -> DeviceCode | Refusal:
        return await user_codes.find(tx, call, form.user_code)

    code = await decide(core.database, unit, about=call.caller.user.id)
    client, apis, known = await _client(core, code), await core.apis.all(), core.pages.texts.of(call.language)
    return core.pages.page(
        call.request,
        "device_consent.html",
        client=client,
        document_host=document_host(client),
        email=call.caller.user.email,
        user_code=form.user_code,
        asked_at=code.asked_at,
        asked_from=code.asked_from,
        scopes=[(scope, scope_text(scope, apis, known)) for scope in code.request.scope if scope != OPENID],
        resources=code.request.resource,
    )


async def submit(core: Core, user_codes: UserCodes, call: Call, form: UserCodeForm) -> Response:
    """Do what the person has decided."""
    if form.decision == "allow":
        await approve(core, user_codes, call, form.user_code, form.scope)
        return core.pages.message(call.request, "device_allowed")
    await deny(core, user_codes, call, form.user_code)
    return core.pages.message(call.request, "device_denied")


async def approve(needs: Needs, user_codes: UserCodes, call: Call, user_code: str, ticked: tuple[str, ...]) -> None:
    """Let the device in, for the scopes that were left ticked; bound to the session that says so.

    Raises:
        Refusal: `invalid_user_code`, `too_many_attempts` or `session_ended`.
    """
    caller = call.caller

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, caller.user, caller.session_id):
            return refused
        code = await user_codes.find(tx, call, user_code)
        if isinstance(code, Refusal):
            return code
        scope = tuple(each for each in code.request.scope if each == OPENID or each in ticked)
        request = msgspec.structs.replace(code.request, scope=scope)
        is_first = await tx.device_codes.approve(
            code.user_digest, request, user_id=caller.user.id, session_id=caller.session_id, now=tx.now
        )
        if not is_first:
            return _decided()
        await record(
            tx,
            "consent_given",
            caller.user.id,
            session_id=caller.session_id,
            reason=request.client_id,
            where=call.origin,
        )
        return None

    await decide(needs.database, unit, about=caller.user.id)


async def deny(needs: Needs, user_codes: UserCodes, call: Call, user_code: str) -> None:
    """Send the device away. Raises as `approve`."""

    async def unit(tx: Transaction) -> Refusal | None:
        code = await user_codes.find(tx, call, user_code)
        if isinstance(code, Refusal):
            return code
        is_first = await tx.device_codes.deny(code.user_digest, tx.now)
        return None if is_first else _decided()

    await decide(needs.database, unit, about=call.caller.user.id)


def _decided() -> Refusal:
    return Refusal("invalid_user_code", "No device waits for this code.")


async def _client(core: Core, code: DeviceCode) -> Client:
    client = await core.clients.by_id(code.request.client_id)
    if client is None or client.disabled_at is not None:
        raise Refusal("unknown_client", "There is no such client.")
    return client
