"""The act of exporting all data about a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.accounts.linked_identity import Identity  # noqa: TC001 - as below
from gatepass.server.domain.accounts.user import User  # noqa: TC001 - as below
from gatepass.server.domain.events.event import Event  # noqa: TC001 - msgspec reads the annotations of an answer
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.consent import Consent  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.session import Session  # noqa: TC001 - as above

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Exported(Confidential, frozen=True, kw_only=True):
    """All data about a user; times in seconds since 1970."""

    account: User
    sessions: list[Session]
    identities: list[Identity]
    consents: list[Consent]
    events: list[Event]


async def export(database: Database, call: Call) -> Exported:
    """Record the export, and return the data, which includes that event."""
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> Exported:
        await record(tx, "data_exported", user.id, where=origin)
        return Exported(
            account=user,
            sessions=await tx.sessions.all_of(user.id),
            identities=await tx.identities.of(user.id),
            consents=await tx.consents.all_of(user.id),
            events=await _all_events(tx, user.id),
        )

    return await database.transaction(unit)


async def _all_events(tx: Transaction, user_id: str) -> list[Event]:
    events: list[Event] = []
    last = ""
    while page := await tx.events.after(last, user_id=user_id):
        events += page
        last = page[-1].id
    return events
