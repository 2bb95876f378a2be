"""The grant type `urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4, §3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.device_code import PAUSE_SECONDS
from gatepass.server.domain.sessions.open import open_grant
from gatepass.server.features.oauth.token.issue import (
    issue,
    kind_of_own_session,
    live_client,
    own_session,
    token_request_of,
    too_wide,
)
from gatepass.server.features.oauth.token.request import FailedGrant, invalid_grant

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.device_code import DeviceCode
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.features.oauth.token.request import TokenForm

_REFUSED = "The device code is unknown, used, or not this client's."


class Approved(msgspec.Struct, frozen=True):
    """A code that is used up now, the grant that it has made, and its client as it was then."""

    client: Client
    code: DeviceCode
    opened: Opened


async def device_code(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """Tell the device how far the person has come; once they have agreed, answer with tokens, and once only."""
    if not form.device_code:
        raise Refusal("invalid_request", "This grant type needs a device_code.")
    keys, status = core.keys.current, await core.indexes.next()
    await core.id_token_issuer.prepare(client, keys)
    code_digest = digest_of(form.device_code)

    async def look(tx: Transaction) -> str:
        found = await tx.device_codes.by_digest(code_digest)
        return "" if found is None else found.user_id

    user_id = await core.database.read(look)

    async def unit(tx: Transaction) -> Approved | Refusal:
        code = await tx.device_codes.by_digest(code_digest)
        if code is None or code.request.client_id != client.id or code.request.dpop_jkt not in ("", jkt):
            return FailedGrant(_REFUSED, user_id="" if code is None else code.user_id)
        if tx.now >= code.expires_at:
            return Refusal("expired_token", "The device code has expired: begin again.")
        if code.state != "approved" or code.user_id != user_id:
            return await _undecided(tx, code)
        live = await live_client(tx, client)
        if isinstance(live, Refusal):
            return live
        if refused := too_wide(core, live, code.request, form):
            return refused
        opened = await _redeem(core, tx, code, token_request_of(code.request, live, jkt), status)
        return opened if isinstance(opened, Refusal) else Approved(live, code, opened)

    approved = await decide(core.database, unit, about=user_id or code_digest.hex())
    return await issue(core, approved.client, form, approved.code.request, approved.opened, keys=keys)


async def _undecided(tx: Transaction, code: DeviceCode) -> Refusal:
    match code.state:
        case "denied":
            return _denied()
        case "redeemed":
            return FailedGrant(_REFUSED, user_id=code.user_id)
        case "pending" | "approved":  # in the latter case at this moment: the next poll sees it
            return await _wait(tx, code)


async def _wait(tx: Transaction, code: DeviceCode) -> Refusal:
    """RFC 8628 §3.5: a device that asks too soon has to be slower from then on."""
    is_too_soon = tx.now < code.polled_at + code.pause
    await tx.device_codes.poll(code.digest, pause=code.pause + PAUSE_SECONDS * is_too_soon, now=tx.now)
    if is_too_soon:
        return Refusal("slow_down", "Poll less often: five seconds more between two polls.")
    return Refusal("authorization_pending", "The person has not decided yet.")


async def _redeem(
    core: Core, tx: Transaction, code: DeviceCode, token_request: TokenRequest, status: StatusIndex
) -> Opened | Refusal:
    """Open the device's own session, if the one in the browser that it was approved in still lives."""
    approved_in = await tx.sessions.live(code.session_id, tx.now)
    user = None if approved_in is None else await tx.users.by_id(code.user_id)
    if approved_in is None or user is None or user.closed is not None:
        return _denied()
    if not await tx.device_codes.redeem(code.digest):
        return invalid_grant(_REFUSED)
    kind = kind_of_own_session(code.request, "device")
    session = await own_session(core, tx, user, approved_in, client_id=code.request.client_id, kind=kind)
    if isinstance(session, Refusal):
        return session
    return await open_grant(tx, user, session, token_request=token_request, status=status)


def _denied() -> Refusal:
    return Refusal("access_denied", "The person did not agree, or is signed out.")
