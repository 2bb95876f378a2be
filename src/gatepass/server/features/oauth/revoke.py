"""`POST /oauth/revoke` (RFC 7009)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.revocation.log import MOST_TOKENS
from gatepass.server.domain.sessions.own_tokens import status_of
from gatepass.server.domain.sessions.refresh_credentials import read_in_body, refresh_credential
from gatepass.server.domain.sessions.revoke import end_grant
from gatepass.server.features.oauth.introspect import TokenToLookAt
from gatepass.server.features.oauth.name_quota import NameQuota
from gatepass.server.web.answers import empty
from gatepass.server.web.auth.requirements import ANY_CLIENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import Held, TokenSubject
    from gatepass.server.web.call import Call
    from gatepass.tokens.refresh_token import RefreshToken
    from gatepass.verify import Principal


def routes(core: Core) -> tuple[Route, ...]:
    """The call (RFC 7009 §2)."""
    return (
        Route(
            method="POST",
            path="/oauth/revoke",
            handler=partial(revoke, core, NameQuota()),
            auth=ANY_CLIENT,
            summary="Revoke a token (RFC 7009)",
            form=TokenToLookAt,
            answers={200: None},
            problems=("too_many_revoked_tokens",),
            open_to_pages=True,
        ),
    )


async def revoke(core: Core, names: NameQuota, call: Call, form: TokenToLookAt) -> Response:
    """Revoke the client's own token; another's or an unknown one is ignored, and the answer is the same."""
    client = call.client
    refresh = read_in_body(form.token, core.keys.current.refresh_keys)
    if refresh is not None:
        await _revoke_grant(core, client, refresh)
    else:
        await _revoke_access_token(core, names, client, form.token)
    return empty()


async def _revoke_grant(core: Core, client: Client, token: RefreshToken) -> None:
    """The refresh token and every access token of its grant (RFC 7009 §2.1)."""

    async def find(tx: Transaction) -> Held | None:
        return await tx.grants.held_by(refresh_credential(token, client.id))

    held = await core.database.read(find)
    if held is None or held.client_id != client.id:
        return

    async def unit(tx: Transaction) -> None:
        await end_grant(tx, held.grant_id, tells_client=False)

    await core.database.transaction(unit, about=held.user_id)


async def _revoke_access_token(core: Core, names: NameQuota, client: Client, token: str) -> None:
    """For any audience, because the client may have lost the API since.

    A token of a grant is revoked together with the grant's other current tokens, and the grant gets a new status index:
    followers store no more than a bit. Only a client's own tokens and exchanged ones are revoked by `jti`, and
    never by their text, because signatures are malleable.
    """
    try:
        principal = core.own_tokens.look_at_any(token)
    except JoseError:
        return
    if principal.client_id != client.id:
        return
    status = status_of(principal)

    async def find(tx: Transaction) -> TokenSubject | None:
        return None if status is None else await tx.grants.bearer_at(status)

    holder = await core.database.read(find)
    # An exchanged token has the status index of another client's grant, which lives on.
    is_of_own_grant = holder is None or (holder.client_id == client.id and "act" not in principal.claims)
    if principal.session_id is None or not is_of_own_grant:
        await _revoke_by_name(core, names, client, principal)
    elif status is not None and holder is not None:  # otherwise it is already invalid
        await _move_grant(core, status, holder.user_id)


async def _move_grant(core: Core, was_at: StatusIndex, user_id: str) -> None:
    index = await core.indexes.next()

    async def unit(tx: Transaction) -> None:
        grant_id = await tx.grants.at(was_at)
        if grant_id is not None:
            await tx.revocations.revoke_indexes([was_at], tx.now)
            await tx.grants.move([(grant_id, index)])

    await core.database.transaction(unit, about=user_id)


async def _revoke_by_name(core: Core, names: NameQuota, client: Client, principal: Principal) -> None:
    async def unit(tx: Transaction) -> bool:
        jti = principal.token_id or ""
        if await tx.revocations.is_revoked(status=status_of(principal), jti=jti, now=tx.now):
            return True
        if not await names.take(tx, client.id):
            return False
        await tx.revocations.revoke_token(jti, client_id=client.id, expires_at=principal.expires_at)
        return True

    if not await core.database.transaction(unit):
        # RFC 7009 §2.2.1: after a 503 the client must assume that the token still exists.
        raise Unavailable(
            "too_many_revoked_tokens",
            "The client has too many revoked tokens: try again when some have expired.",
            private=f"the client's share of {MOST_TOKENS} names is used up: {client.id}",
            retry_after=60,
        )
