"""Recording an event inside the transaction that it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.event import NOWHERE, Event
from gatepass.server.domain.shared_signals.queue import queue_signals

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.ports import Transaction


async def record(  # noqa: PLR0913 - an event has this many sides
    tx: Transaction,
    kind: EventKind,
    user_id: str = "",
    *,
    actor: str | None = None,
    session_id: str = "",
    reason: str = "",
    jti: str = "",
    where: Origin = NOWHERE,
) -> None:
    """Record an event about a user, who is also its actor unless another is named, and queue it for receivers."""
    event = Event(
        id=new_id("evt"),
        at=tx.now,
        kind=kind,
        user_id=user_id,
        session_id=session_id,
        actor=user_id if actor is None else actor,
        reason=reason,
        jti=jti,
        address=where.address,
        user_agent=where.user_agent,
    )
    await tx.events.record(event)
    await queue_signals(tx, event)
