"""The grant type `refresh_token` (RFC 6749 §6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions import fapi
from gatepass.server.domain.sessions.client import OPENID
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.refresh_credentials import read_in_body, refresh_credential
from gatepass.server.domain.sessions.rotation import advance
from gatepass.server.features.oauth.token.request import FailedGrant, answer, as_invalid_target, invalid_grant
from gatepass.tokens.refresh_token import mint

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import Refusal
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import Held, MovedOn, RefreshCredential, TokenSubject
    from gatepass.server.domain.sessions.token_issuer import IssuedToken
    from gatepass.server.features.oauth.token.request import TokenForm


async def refresh(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """RFC 6749 §6: for the grant's audience and scopes, or the requested part of them."""
    keys = core.keys.current
    token = read_in_body(form.refresh_token or "", keys.refresh_keys)
    if token is None:
        raise invalid_grant("invalid_refresh_token")

    presents = refresh_credential(token, client.id, jkt)
    await _check_narrowing(core, presents, form, ClientPolicy.of_client(client, core.settings.issuer_url))

    async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
        verdict = await advance(tx, presents, pace=fapi.rotation(client, core.rotation))
        match verdict:
            case Advanced() | Same() | Reissued():
                return verdict, tx.now
            case Stolen():
                return invalid_grant("refresh_token_reused")
            case Ended():
                return invalid_grant("session_ended")
            case Unknown():
                return FailedGrant("invalid_refresh_token", presents=presents)
            case _:
                assert_never(verdict)

    core.database.check_settled()
    moved, now = await decide(core.database, unit, is_lone_statement=True)
    with as_invalid_target():
        client_policy = _policy_of(core, client, moved.subject)
        subject = client_policy.today(moved.subject, audience=form.target, scope=form.scope)
    if subject.jkt is None and jkt is not None:  # who proves a key gets a token that is bound to it (RFC 9449 §5)
        subject = msgspec.structs.replace(subject, jkt=jkt)
    issued = await core.token_issuer.mint(subject, keys=keys, now=now)
    current = msgspec.structs.replace(token, serial=moved.serial)
    return answer(issued, mint(current, keys.refresh_key), await _id_token(core, client, subject, issued, now))


def _policy_of(core: Core, client: Client, subject: TokenSubject) -> ClientPolicy:
    """What the client may have: read with the grant, but for one whose rights are those of anyone."""
    if client.is_self_registered:
        return ClientPolicy.of_client(client, core.settings.issuer_url)
    return ClientPolicy.behind(subject, core.settings)


async def _id_token(core: Core, client: Client, subject: TokenSubject, issued: IssuedToken, now: float) -> str | None:
    """OpenID Connect Core §12.2: of the same sign-in, and to no request of its own, so without a nonce."""
    if OPENID not in subject.scope:
        return None
    return await core.id_token_issuer.mint(
        subject, client=client, access_token=issued.token, nonce=None, keys=core.keys.current, now=now
    )


async def _check_narrowing(
    core: Core, presents: RefreshCredential, form: TokenForm, client_policy: ClientPolicy
) -> None:
    """Refuse a request beyond the grant before advancing it, because the client will retry with the same token."""
    if form.scope is None and not form.target:
        return

    async def unit(tx: Transaction) -> Held | None:
        return await tx.grants.held_by(presents)

    held = await core.database.read(unit)
    if held is not None and held.client_id == presents.client_id and held.is_usable:
        with as_invalid_target():
            client_policy.narrow(held.audience, held.scope, audience=form.target, scope=form.scope)
