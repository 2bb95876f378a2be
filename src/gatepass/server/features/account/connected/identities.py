"""The acts on connected accounts: listing and disconnecting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.linked_identity import Identity
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...


async def list_identities(needs: Needs, user_id: str) -> list[Identity]:
    """The caller's connected accounts."""

    async def unit(tx: Transaction) -> list[Identity]:
        return await tx.identities.of(user_id)

    return await needs.database.read(unit)


async def disconnect(needs: Needs, call: Call, identity_id: str) -> None:
    """Disconnect one, unless it is the caller's only way to sign in.

    Raises:
        Refusal: `identity_not_found`, `last_way_in`, or `session_ended`.
    """
    caller, origin = call.caller, call.origin
    user = caller.user

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, caller.session_id):
            return refused
        identities = {each.id: each for each in await tx.identities.of(user.id)}
        if identity_id not in identities:
            return Refusal("identity_not_found", "No connected account has this id.")
        if len(identities) == 1 and not await _opens_otherwise(needs, tx, user):
            return Refusal("last_way_in", "This is your only way to sign in: set a password or add a passkey first.")
        await tx.identities.remove(identity_id, user.id)
        await record(tx, "provider_disconnected", user.id, reason=identities[identity_id].provider, where=origin)
        return None

    await decide(needs.database, unit, about=user.id)


async def _opens_otherwise(needs: Needs, tx: Transaction, user: User) -> bool:
    """Whether the user can sign in by email, password or passkey."""
    if needs.notices.can_send or await tx.passwords.of(user.id) is not None:
        return True
    return (await tx.factors.of(user.id)).passkeys > 0
