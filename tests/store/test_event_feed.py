"""Plugins are told each event in order and at least once, each at its own pace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.events.feed import FEED_KEPT_SECONDS
from gatepass.server.domain.events.recording import record
from gatepass.server.features.plugins.telling import READER_PAUSES, PluginTelling

if TYPE_CHECKING:
    from tests.support.server import SettableClock

    from gatepass.server.domain.events.event import Event, EventKind
    from gatepass.server.domain.events.feed import EventReader
    from gatepass.server.domain.ports import Database, Transaction


class Listener:
    """A plugin that remembers, and fails at what it is told to fail at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: list[str] = []
        self.fails_at: set[str] = set()

    async def tell(self, event: Event) -> None:
        """Remember whom it is about."""
        self.told.append(event.user_id)
        if event.user_id in self.fails_at:
            raise RuntimeError(event.user_id)


async def happen(database: Database, *users: str, kind: EventKind = "signed_in") -> None:
    """Record an event about each."""

    async def unit(tx: Transaction) -> None:
        for user_id in users:
            await record(tx, kind, user_id)

    await database.transaction(unit)


async def readers(tx: Transaction) -> list[EventReader]:
    """How far each has come."""
    return await tx.event_feed.readers()


async def forget(tx: Transaction) -> None:
    """What happens once a minute."""
    await tx.event_feed.forget_before(tx.now - FEED_KEPT_SECONDS)


async def kept(tx: Transaction) -> list[str]:
    """Whom the feed is about."""
    return [event.user_id for _, event in await tx.event_feed.after(0, 1_000)]


def test_a_plugin_that_fails_is_told_again_in_order_and_holds_up_no_other(
    database: Database, clock: SettableClock
) -> None:
    """What came before it was there is not told; what it fails at is told until it does not, and then the rest."""
    good, bad = Listener("good"), Listener("bad")

    async def run() -> None:
        await happen(database, "usr_before")
        good_telling, bad_telling = PluginTelling(database, good), PluginTelling(database, bad)
        for telling in (good_telling, bad_telling):
            await telling.register()
            await telling.register()
        await happen(database, "usr_1", "usr_2", "usr_3")
        await happen(database, "usr_4", kind="sign_in_refused")
        bad.fails_at = {"usr_2"}
        await bad_telling.tell_due()
        await good_telling.tell_due()
        assert good.told == ["usr_1", "usr_2", "usr_3", "usr_4"]
        assert bad.told == ["usr_1", "usr_2"]
        for pause in (*READER_PAUSES, READER_PAUSES[-1]):
            bad.told.clear()
            clock.advance(pause - 0.5)
            await bad_telling.tell_due()
            assert bad.told == []
            clock.advance(1)
            await bad_telling.tell_due()
            assert bad.told == ["usr_2"]
        (failing, _) = await database.read(readers)
        assert (failing.name, failing.tries) == ("bad", len(READER_PAUSES) + 2)
        assert failing.error.startswith("RuntimeError at test_event_feed.py:")
        await database.transaction(forget)
        assert await database.read(kept) == ["usr_2", "usr_3", "usr_4"]

        bad.fails_at, bad.told = set(), []
        clock.advance(READER_PAUSES[-1] + 1)
        await happen(database, "usr_5")
        await bad_telling.tell_due()
        assert bad.told == ["usr_2", "usr_3", "usr_4", "usr_5"]
        assert {each.error for each in await database.read(readers)} == {""}

    asyncio.run(run())


def test_nodes_share_a_plugin_and_lose_nothing(database: Database, clock: SettableClock) -> None:
    """Two nodes tell an event once between them; what one had when it died, the other tells a minute later."""
    listener = Listener("shared")

    async def claim(tx: Transaction) -> EventReader | None:
        return await tx.event_feed.claim("shared", now=tx.now, until=tx.now + 60)

    async def run() -> None:
        tellings = [PluginTelling(database, listener) for _ in range(2)]
        await tellings[0].register()
        await happen(database, *(f"usr_{number}" for number in range(120)))
        await asyncio.gather(*(telling.tell_due() for telling in tellings))
        for telling in tellings:  # what one had is free again
            await telling.tell_due()
        assert listener.told == [f"usr_{number}" for number in range(120)]
        await happen(database, "usr_late")
        assert await database.transaction(claim) is not None  # and then it dies
        await tellings[0].tell_due()
        assert listener.told[-1] == "usr_119"
        clock.advance(61)
        await tellings[0].tell_due()
        assert listener.told[-1] == "usr_late"
        await database.transaction(forget)
        assert await database.read(kept) == []
        await happen(database, "usr_next")  # positions go on where they were
        await tellings[0].tell_due()
        assert listener.told[-1] == "usr_next"

    asyncio.run(run())


def test_the_feed_keeps_nobody_who_is_gone(database: Database, clock: SettableClock) -> None:
    """Of a deleted person it says that they are deleted; a plugin that is gone is forgotten in a month."""
    listener = Listener("crm")

    async def run() -> None:
        telling = PluginTelling(database, listener)
        await telling.register()

        async def come(tx: Transaction) -> None:
            await tx.users.add(User(id="usr_ann", email="ann@example.test", created_at=tx.now))
            await record(tx, "account_created", "usr_ann")
            await record(tx, "role_given", "usr_bob", actor="usr_ann")

        async def go(tx: Transaction) -> None:
            await erase(tx, "usr_ann")
            await record(tx, "account_deleted", actor="operator")

        await database.transaction(come)
        await PluginTelling(database, Listener("none")).tell_due()  # hands over, and tells nobody
        await database.transaction(go)
        await telling.tell_due()
        assert listener.told == ["usr_bob", "usr_ann"]
        clock.advance(FEED_KEPT_SECONDS + 1)
        await database.transaction(forget)
        assert await database.read(readers) == []
        await happen(database, "usr_cid")
        await telling.tell_due()
        assert await database.read(kept) == []

    asyncio.run(run())
