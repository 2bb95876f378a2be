"""Which clients are to be told that somebody has signed out (Back-Channel Logout 1.0, Shared Signals)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.ids import new_id
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.shared_signals.queue import queue_revoked_sessions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.ports import Transaction


class Logout(msgspec.Struct, frozen=True):
    """What a client is to be told: whose sign-in is over, by the session that its ID tokens name (`sid`)."""

    client_id: str
    user_id: str
    session_id: str


class QueuedLogout(msgspec.Struct, frozen=True, kw_only=True):
    """One in the queue; `tries` includes this one, `created_at` in seconds since 1970."""

    id: str
    client_id: str
    user_id: str
    session_id: str
    tries: int
    created_at: float


class LogoutQueue(Protocol):
    """The queue of what clients are to be told. Rows outlive the accounts that they are about."""

    async def add(self, delivery_id: str, logout: Logout, now: float) -> None:
        """Add one."""
        ...

    async def claim_of(self, receiver: str, *, now: float, until: float, limit: int) -> list[QueuedLogout]:
        """Take what is due of one client; no other node gets it before `until`. One statement."""
        ...

    async def due_receivers(self, now: float) -> list[str]:
        """Clients that have something due."""
        ...

    async def put_off(self, waiting_id: str, due_at: float) -> None:
        """Try again later."""
        ...

    async def remove(self, waiting_id: str) -> None:
        """Remove what was delivered, or never will be."""
        ...


async def queue_logouts(tx: Transaction, logouts: Iterable[Logout], *, actor: str | None, reason: str) -> None:
    """Queue each once, for those clients that have registered where they hear of it, and for their streams.

    Args:
        tx: The transaction.
        logouts: The sign-ins that are over.
        actor: Who ended them; None for the person.
        reason: Why.
    """
    by_client: dict[str, set[Logout]] = {}
    for logout in logouts:
        if logout.client_id != FIRST_PARTY:
            by_client.setdefault(logout.client_id, set()).add(logout)
    for client_id, of_client in by_client.items():
        await queue_revoked_sessions(tx, of_client, actor=actor, reason=reason)
        client = await tx.clients.by_id(client_id)
        if client is not None and client.metadata.backchannel_logout_uri:
            for logout in of_client:
                await tx.logout_deliveries.add(new_id("lgo"), logout, tx.now)
