"""Streams and signals in the store, on each database: who is told of what, and by which of two nodes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from tests.store.test_units_about_a_person import Paused, opened
from tests.support.server import NOON

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.client_lifecycle import change_secret, remove_client
from gatepass.server.domain.sessions.grant import Grant
from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.domain.sessions.session import Session
from gatepass.server.domain.shared_signals.changes import set_status
from gatepass.server.domain.shared_signals.queue import queue_verification
from gatepass.server.domain.shared_signals.signal_types import SIGNALS, SUPPORTED
from gatepass.server.domain.shared_signals.stream import POLL, PUSH, SignalStream, delivered
from gatepass.server.features.shared_signals.api.poll import SignalPoll, SignalPolling
from gatepass.server.features.shared_signals.long_polls import LongPolls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.postgres import Postgres
    from tests.support.server import SettableClock

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.shared_signals.queue import QueuedSignal

ALL = delivered(SUPPORTED)
SHOP = SignalStream(
    id="str_shop",
    client_id="cli_shop",
    method=PUSH,
    endpoint_url="https://shop.test/",
    authorization_header=b"sealed",
    events=ALL,
    events_requested=(*SUPPORTED, "urn:unknown"),
    description="ours",
    created_at=NOON,
)
NEWS = SignalStream(id="str_news", client_id="cli_news", method=POLL, events=ALL, created_at=NOON)


async def fill(tx: Transaction, *, epoch: bool = True) -> None:
    """Two receivers, and two people: Ann has signed in at the shop, Bob at both."""
    if epoch:
        await tx.revocations.open_epoch()
    for number, stream in enumerate((SHOP, NEWS)):
        await tx.clients.add(
            Client(
                id=stream.client_id,
                name="x",
                grant_types=("authorization_code", "client_credentials"),
                audience=(),
                scope=("openid", "ssf.manage"),
                status=StatusIndex(1, 100 + number),
                created_at=NOON,
            )
        )
        await tx.signal_streams.add(stream)
    for number, (name, clients) in enumerate((("ann", ("cli_shop",)), ("bob", ("cli_shop", "cli_news")))):
        await tx.users.add(User(id=f"usr_{name}", email=f"{name}@example.test", created_at=NOON))
        await tx.sessions.add(
            Session(
                id=f"ses_{name}",
                user_id=f"usr_{name}",
                acr="1",
                address="",
                user_agent="",
                amr=("pwd",),
                auth_time=NOON,
                expires_at=NOON + 100_000,
            )
        )
        for place, client_id in enumerate(clients):
            await tx.grants.add(
                Grant(
                    id=f"gnt_{name}_{client_id}",
                    session_id=f"ses_{name}",
                    user_id=f"usr_{name}",
                    client_id=client_id,
                    audience=(),
                    scope=("openid",),
                    secret_digest=b"x",
                    current=1,
                    status=StatusIndex(1, number * 10 + place),
                    touched_at=NOON,
                    expires_at=NOON + 100_000,
                )
            )


async def waiting(tx: Transaction) -> list[tuple[str, str, str]]:
    """What waits: the stream, the type and the person."""
    return [
        (stream.client_id, each.event, each.user_id)
        for stream in await tx.signal_streams.all()
        for each in await tx.signals.of_stream(stream.id, 100)
    ]


async def claim(tx: Transaction) -> list[QueuedSignal]:
    """Take what is due, as a node does."""
    due = await tx.signals.due_receivers(tx.now)
    return [
        signal
        for stream_id in due
        for signal in await tx.signals.claim_of(stream_id, now=tx.now, until=tx.now + 120, limit=20)
    ]


def test_a_stream_is_kept_as_it_was_said(database: Database) -> None:
    """Every member comes back, also what nobody here knows; a change changes that one alone."""

    async def run() -> None:
        await database.transaction(fill)
        assert await database.read(lambda tx: tx.signal_streams.by_id(SHOP.id)) == SHOP
        changed = msgspec.structs.replace(SHOP, description="new", status="paused", events=("session-revoked",))
        await database.transaction(lambda tx: tx.signal_streams.put(changed))
        assert await database.read(lambda tx: tx.signal_streams.all()) == [NEWS, changed]
        assert await database.read(lambda tx: tx.signal_streams.of_client("cli_shop")) == [changed]

    asyncio.run(run())


def test_each_event_of_the_table_is_queued_with_it(database: Database) -> None:
    """In the very transaction: if that is rolled back, so is what would have been told. A sign-in is told to nobody."""
    kinds = [kind for kind, signal in SIGNALS.items() if signal.type != "session-revoked"]

    async def happen(tx: Transaction) -> None:
        for kind in (*kinds, "signed_in"):
            await record(tx, kind, "usr_ann")

    async def fail(tx: Transaction) -> None:
        await happen(tx)
        raise ZeroDivisionError

    async def run() -> None:
        await database.transaction(fill)
        with pytest.raises(ZeroDivisionError):
            await database.transaction(fail)
        assert await database.read(waiting) == []
        await database.transaction(happen)
        assert await database.read(waiting) == [("cli_shop", SIGNALS[kind].type, "usr_ann") for kind in kinds]

    asyncio.run(run())


def test_people_are_told_of_where_they_have_signed_in_and_for_a_minute_after(
    database: Database, clock: SettableClock
) -> None:
    """An act that ends all sign-ins is told, whenever it is recorded; what happens to them later is not."""

    async def end(tx: Transaction) -> None:
        await end_session(tx, "ses_bob", "usr_bob", "logout")

    async def disable(tx: Transaction) -> None:
        await record(tx, "account_disabled", "usr_bob", actor="operator")

    async def run() -> None:
        await database.transaction(fill)
        await database.transaction(end)
        clock.advance(59)
        await database.transaction(disable)
        told = await database.read(waiting)
        clock.advance(2)
        await database.transaction(disable)
        assert await database.read(waiting) == told
        assert told == [
            (client_id, event, "usr_bob")
            for client_id in ("cli_news", "cli_shop")
            for event in ("session-revoked", "account-disabled")
        ]

    asyncio.run(run())


def test_nobody_is_told_who_may_not_be(database: Database) -> None:
    """A client that is disabled or has lost the scopes, a stream that is disabled or has not asked: none hears."""

    async def happen(tx: Transaction) -> None:
        await record(tx, "account_disabled", "usr_ann")

    async def run() -> None:
        await database.transaction(fill)

        async def change(tx: Transaction, **changed: object) -> None:
            client = await tx.clients.by_id("cli_shop")
            assert client is not None
            await tx.clients.replace(msgspec.structs.replace(client, **changed))

        await database.transaction(lambda tx: change(tx, disabled_at=NOON))
        await database.transaction(happen)
        await database.transaction(lambda tx: change(tx, disabled_at=None, scope=("openid", "ssf.manager")))
        await database.transaction(happen)
        await database.transaction(lambda tx: change(tx, scope=("openid", "ssf.read")))
        await database.transaction(lambda tx: set_status(tx, SHOP, "disabled", ""))
        await database.transaction(happen)
        await database.transaction(
            lambda tx: tx.signal_streams.put(msgspec.structs.replace(SHOP, events=("session-revoked",)))
        )
        await database.transaction(happen)
        assert await database.read(waiting) == []
        await database.transaction(lambda tx: tx.signal_streams.put(SHOP))
        await database.transaction(happen)
        assert await database.read(waiting) == [("cli_shop", "account-disabled", "usr_ann")]

    asyncio.run(run())


def test_a_signal_is_pushed_by_one_node_and_by_the_next_if_that_dies(database: Database, clock: SettableClock) -> None:
    """Of four nodes one claims it; a crash before it was noted brings the same token again, later: at least once."""

    async def happen(tx: Transaction) -> None:
        await record(tx, "account_disabled", "usr_ann")

    async def run() -> None:
        await database.transaction(fill)
        await database.transaction(happen)
        batches = await asyncio.gather(*(database.transaction(claim) for _ in range(4)))
        [first] = [each for batch in batches for each in batch]
        clock.advance(119)
        assert await database.transaction(claim) == []
        clock.advance(1)
        [again] = await database.transaction(claim)
        assert (again.jti, again.created_at, again.tries) == (first.jti, first.created_at, 2)

    asyncio.run(run())


def test_what_is_polled_or_paused_is_pushed_by_nobody(database: Database) -> None:
    """It waits, in the order in which it happened, and is due when the stream is enabled again."""

    async def happen(tx: Transaction) -> None:
        await record(tx, "account_disabled", "usr_bob")
        await record(tx, "account_enabled", "usr_bob")

    async def run() -> None:
        await database.transaction(fill)
        paused = await database.transaction(lambda tx: set_status(tx, SHOP, "paused", ""))
        assert isinstance(paused, SignalStream)
        await database.transaction(happen)
        assert await database.transaction(claim) == []
        held = await database.read(lambda tx: tx.signals.of_stream(NEWS.id, 10))
        assert [each.event for each in held] == ["account-disabled", "account-enabled"]
        assert await database.read(lambda tx: tx.signals.with_something([SHOP.id, NEWS.id])) == [NEWS.id]
        await database.transaction(lambda tx: set_status(tx, paused, "enabled", ""))
        claimed = await database.transaction(claim)
        assert sorted(each.event for each in claimed) == ["account-disabled", "account-enabled"]
        assert {each.stream_id for each in claimed} == {SHOP.id}

    asyncio.run(run())


def test_whoever_is_gone_is_told_of_once_and_by_an_id_that_leads_nowhere(database: Database) -> None:
    """`account-purged` is queued before the grants go, but not where the person was removed, which is forgotten then.

    Then a client goes, and what it had still to be told.
    """

    async def leave(tx: Transaction) -> None:
        await tx.signal_streams.exclude(NEWS.id, "usr_bob")
        await end_session(tx, "ses_bob", "usr_bob", "account_deleted")
        await erase(tx, "usr_bob")
        await record(tx, "account_deleted")

    async def run() -> None:
        await database.transaction(fill)
        await database.transaction(leave)
        assert await database.read(waiting) == [
            ("cli_shop", event, "usr_bob") for event in ("session-revoked", "account-purged")
        ]
        assert await database.read(lambda tx: tx.signal_streams.count_excluded(NEWS.id)) == 0
        await database.transaction(lambda tx: remove_client(tx, "cli_shop", actor="operator"))
        assert await database.read(lambda tx: tx.signal_streams.all()) == [NEWS]
        assert await database.read(lambda tx: tx.signals.of_stream(SHOP.id, 10)) == []

    asyncio.run(run())


class Signer:
    """Signs nothing, and so much of it."""

    async def make(self, _client: Client, signals: list[QueuedSignal]) -> dict[str, str]:
        """A word for each."""
        return {each.jti: "token" for each in signals}


async def news(tx: Transaction) -> Client:
    """The client that polls."""
    client = await tx.clients.by_id(NEWS.client_id)
    assert client is not None
    return client


def polling(database: Database, polls: LongPolls, client: Client) -> Callable[[SignalPoll], Awaitable[Any]]:
    """The call of a client at its stream."""
    core, call = SimpleNamespace(database=database), SimpleNamespace(path_params={"stream_id": NEWS.id}, client=client)
    handler = SignalPolling(cast("Any", core), cast("Any", Signer()), polls)
    return lambda body: handler.poll(cast("Any", call), body)


def test_an_acknowledgement_waits_for_no_unit_about_a_person(postgres18: Postgres) -> None:
    """RFC 8936: it removes rows of its own stream, beside a sign-out of Ann that has not ended."""
    url = postgres18.migrated_database()

    async def run() -> None:
        async with opened(url) as database:
            await database.transaction(lambda tx: fill(tx, epoch=False))
            await database.transaction(lambda tx: queue_verification(tx, NEWS, "x"))
            [signal] = await database.read(lambda tx: tx.signals.of_stream(NEWS.id, 2))
            poll = polling(database, LongPolls(database), await database.read(news))
            ann = Paused()
            first = asyncio.create_task(database.transaction(ann, about="usr_ann"))
            await ann.has_begun.wait()
            try:
                async with asyncio.timeout(5):
                    await poll(SignalPoll(ack=(signal.jti,), max_events=0))
            finally:
                ann.may_end.set()
                await first
            assert await database.read(lambda tx: tx.signals.of_stream(NEWS.id, 2)) == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"disabled_at": NOON}, "invalid_token"),
        ({"scope": ("openid",)}, "invalid_token"),
        ({"name": "x"}, "invalid_token"),  # another secret
        ({}, "stream_not_found"),
    ],
)
def test_a_receiver_that_was_stopped_while_it_waited_is_told_nothing(
    database: Database, changed: dict[str, object], code: str
) -> None:
    """A long poll ends in a refusal where its client was disabled, or has another secret, or its stream is gone."""

    async def stop(tx: Transaction) -> None:
        await queue_verification(tx, NEWS, "x")
        if changed:
            before = await news(tx)
            after = msgspec.structs.replace(before, **changed)
            if after == before:
                await change_secret(tx, before, after, status=StatusIndex(1, 999), keeps_old=False, actor="operator")
            await tx.clients.replace(after)
        else:
            await tx.signal_streams.remove(NEWS.id)

    async def run() -> None:
        await database.transaction(fill)
        polls = LongPolls(database)
        waiting = asyncio.create_task(cast("Any", polling(database, polls, await database.read(news))(SignalPoll())))
        while not polls._waiting:  # noqa: ASYNC110 - nothing tells that it waits
            await asyncio.sleep(0)
        await database.read(news)
        await database.transaction(stop)
        polls.close()
        with pytest.raises(Refusal) as refused:
            await waiting
        assert refused.value.code == code

    asyncio.run(run())
