"""Reading the account overview: sessions, events, factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.profile import UserProfile
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.session import SessionInUse


class Needs(Protocol):
    """What reading uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def settings(self) -> Settings: ...


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """What the account page shows, in one reading; newest events and sessions first."""

    sessions: list[SessionInUse]
    events: list[Event]
    factors: Factors


async def read_profile(database: Database, user_id: str) -> UserProfile:
    """The profile."""

    async def unit(tx: Transaction) -> UserProfile:
        return await tx.profiles.of(user_id)

    return await database.read(unit)


async def read_sessions(needs: Needs, user_id: str) -> list[SessionInUse]:
    """The active sessions, most recently used first."""
    idle_seconds = needs.settings.session_idle_seconds

    async def unit(tx: Transaction) -> list[SessionInUse]:
        return await tx.sessions.live_of(user_id, now=tx.now, idle_seconds=idle_seconds)

    return await needs.database.read(unit)


async def read_events(needs: Needs, user_id: str) -> list[Event]:
    """The account's events, newest first."""

    async def unit(tx: Transaction) -> list[Event]:
        return await _events(tx, user_id)

    return await needs.database.read(unit)


async def read_overview(needs: Needs, user_id: str) -> Overview:
    """Everything that the account page shows."""
    idle_seconds = needs.settings.session_idle_seconds

    async def unit(tx: Transaction) -> Overview:
        return Overview(
            sessions=await tx.sessions.live_of(user_id, now=tx.now, idle_seconds=idle_seconds),
            events=await _events(tx, user_id),
            factors=await tx.factors.of(user_id),
        )

    return await needs.database.read(unit)


async def _events(tx: Transaction, user_id: str) -> list[Event]:
    return [event.for_its_user() for event in await tx.events.of_user(user_id)]
