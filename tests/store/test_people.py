"""What the flows of people keep: failed attempts, codes of mails, the queue of mails, events, and how it all goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from tests.support.server import NOON

from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.credentials.one_time_code import MOST_TRIES, Code
from gatepass.server.domain.events.event import Origin
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.attempts import NEVER, Limit, Tried, network_of
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import Grant
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database, Transaction

HOUR = 3_600.0
CODE = Code(
    digest=b"t" * 32,
    purpose="sign_in",
    user_id="usr_1",
    email="ann@example.test",
    holder=b"h" * 32,
    short_digest=b"s" * 32,
    payload="",
    expires_at=NOON + HOUR,
)


def run(database: Database, *units: Callable[[Transaction], Awaitable[Any]]) -> list[Any]:
    """Run units one after another, each in a transaction of its own."""

    async def all_of_them() -> list[Any]:
        return [await database.transaction(unit) for unit in units]

    return asyncio.run(all_of_them())


def test_failures_are_counted_within_a_window(database: Database) -> None:
    """From the first one on; what is tried changes the count of changes; a window that is over begins anew."""

    def count(at: str, now: float) -> Callable[[Transaction], Awaitable[Tried]]:
        return lambda tx: tx.attempts.count("ann", at=at, since=now - HOUR, now=now)

    counted = run(
        database,
        count("a", NOON),
        count("a", NOON + 1),
        count("b", NOON + 2),
        lambda tx: tx.attempts.of("ann", since=NOON - 1),
        lambda tx: tx.attempts.of("ann", since=NOON),
        lambda tx: tx.attempts.of("bob", since=0),
        count("a", NOON + HOUR),
        lambda tx: tx.attempts.hold("ann", since=NOON, now=NOON + HOUR),
        lambda tx: tx.attempts.hold("ann", since=NOON + HOUR, now=NOON + HOUR),
        lambda tx: tx.attempts.hold("eve", since=NOON, now=NOON + HOUR),
        lambda tx: tx.attempts.clear("ann"),
        lambda tx: tx.attempts.of("ann", since=0),
    )
    assert [(tried.failures, tried.changes) for tried in counted[:3]] == [(1, 0), (2, 0), (3, 1)]
    assert counted[3] == Tried(failures=3, changes=1, last_at=NOON + 2)
    assert counted[4:6] == [NEVER, NEVER]
    assert (counted[6].failures, counted[6].changes) == (1, 0)
    assert counted[7] == counted[6]
    assert counted[8] == NEVER
    assert counted[9].failures == 0
    assert counted[11] == NEVER


def test_windows_that_are_over_are_dropped(database: Database) -> None:
    """`forget_before` drops what began before, and nothing else."""
    _, _, _, old, new = run(
        database,
        lambda tx: tx.attempts.count("old", at="", since=0, now=NOON),
        lambda tx: tx.attempts.count("new", at="", since=0, now=NOON + 1),
        lambda tx: tx.attempts.forget_before(NOON),
        lambda tx: tx.attempts.of("old", since=0),
        lambda tx: tx.attempts.of("new", since=0),
    )
    assert (old.failures, new.failures) == (0, 1)


def test_each_pause_is_twice_the_one_before() -> None:
    """Up to the longest; and no number of failures is too large."""
    limit = Limit(free=3, window=HOUR, first_pause=30, longest_pause=900)
    waits = [limit.wait(Tried(failures=failures, changes=0, last_at=NOON), NOON) for failures in range(9)]
    assert waits == [0, 0, 0, 30, 60, 120, 240, 480, 900]
    assert limit.wait(Tried(failures=10**9, changes=0, last_at=NOON), NOON + 899) == 1
    assert limit.wait(Tried(failures=10**9, changes=0, last_at=NOON), NOON + 900) == 0


def test_what_an_address_is_counted_under() -> None:
    """An IPv4 address is itself, an IPv6 address its /64, and no address nothing."""
    assert [network_of(address) for address in ("192.0.2.7", "2001:db8:1:2:3::4", "::1", "")] == [
        "192.0.2.7",
        "2001:db8:1:2::",
        "::",
        "",
    ]


def test_a_code_is_used_once(database: Database) -> None:
    """Looking leaves it; another purpose, holder or time does not find it; using it is for once."""
    now = NOON
    found = run(
        database,
        lambda tx: tx.codes.add(CODE),
        lambda tx: tx.codes.look(CODE.digest, "sign_in", now),
        lambda tx: tx.codes.use(CODE.digest, "reset", now),
        lambda tx: tx.codes.use(CODE.digest, "sign_in", now, holder=b"another"),
        lambda tx: tx.codes.use(CODE.digest, "sign_in", CODE.expires_at),
        lambda tx: tx.codes.use(CODE.digest, "sign_in", now, holder=CODE.holder),
        lambda tx: tx.codes.use(CODE.digest, "sign_in", now, holder=CODE.holder),
        lambda tx: tx.codes.look(CODE.digest, "sign_in", now),
    )
    assert found[1:] == [CODE, None, None, None, CODE, None, None]


def test_a_short_code_has_a_few_tries(database: Database) -> None:
    """The last of them may be the right one; after that none is."""

    def wrong(tx: Transaction) -> Awaitable[Code | None]:
        return tx.codes.use_short(CODE.holder, b"wrong", "sign_in", NOON)

    def right(tx: Transaction) -> Awaitable[Code | None]:
        return tx.codes.use_short(CODE.holder, CODE.short_digest, "sign_in", NOON)

    def add(tx: Transaction) -> Awaitable[None]:
        return tx.codes.add(CODE)

    assert run(database, add, *[wrong] * (MOST_TRIES - 1), right, right)[-2:] == [CODE, None]
    assert run(database, add, *[wrong] * MOST_TRIES, right)[-1] is None


def test_a_holder_has_one_code_of_a_purpose(database: Database) -> None:
    """The one that was asked for last; codes without a holder do not get into each other's way."""
    second = msgspec.structs.replace(CODE, digest=b"u" * 32)
    free = [msgspec.structs.replace(CODE, digest=bytes([n]) * 32, holder=b"", purpose="reset") for n in (1, 2)]
    found = run(
        database,
        *[lambda tx, code=code: tx.codes.add(code) for code in (CODE, second, *free)],
        lambda tx: tx.codes.look(CODE.digest, "sign_in", NOON),
        lambda tx: tx.codes.look(second.digest, "sign_in", NOON),
        *[lambda tx, code=code: tx.codes.look(code.digest, "reset", NOON) for code in free],
    )
    assert found[4:] == [None, second, *free]


def test_links_that_lock_outlive_those_that_open(database: Database) -> None:
    """And an older one a younger one."""
    locks = [
        msgspec.structs.replace(CODE, digest=bytes([n]) * 32, holder=b"", purpose="lock", expires_at=NOON + n)
        for n in (10, 20, 30)
    ]
    found = run(
        database,
        *[lambda tx, code=code: tx.codes.add(code) for code in (CODE, *locks)],
        lambda tx: tx.codes.forget_openers("usr_1"),
        lambda tx: tx.codes.forget_locks("usr_1", made_since=locks[1]),
        lambda tx: tx.codes.look(CODE.digest, "sign_in", NOON),
        *[lambda tx, code=code: tx.codes.look(code.digest, "lock", NOON) for code in locks],
    )
    assert found[6:] == [None, locks[0], None, None]


def test_a_mail_is_one_nodes_at_a_time(database: Database) -> None:
    """Claimed in order, and by nobody else until the time is over; put off, tried again, and removed."""
    add = [
        lambda tx, number=number: tx.mails.add(f"mail_{number}", b"sealed", user_id="usr_1", now=NOON + number)
        for number in range(3)
    ]

    def claim(now: float) -> Callable[[Transaction], Awaitable[list[Any]]]:
        return lambda tx: tx.mails.claim(now=now, until=now + 60, limit=2)

    steps = run(
        database,
        *add,
        lambda tx: tx.mails.is_any_due(NOON - 1),
        claim(NOON + 2),
        claim(NOON + 2),
        claim(NOON + 2),
        lambda tx: tx.mails.put_off("mail_0", NOON + 10),
        lambda tx: tx.mails.remove("mail_1"),
        claim(NOON + 10),
        claim(NOON + 62),
        lambda tx: tx.mails.latest(10),
        lambda tx: tx.mails.forget_user("usr_1"),
        lambda tx: tx.mails.latest(10),
    )
    assert steps[3] is False
    claimed = [sorted((mail.id, mail.tries) for mail in found) for found in (*steps[4:7], *steps[9:11])]
    assert claimed == [[("mail_0", 1), ("mail_1", 1)], [("mail_2", 1)], [], [("mail_0", 2)], [("mail_2", 2)]]
    assert [mail.id for mail in steps[11]] == ["mail_2", "mail_0"]
    assert steps[13] == []


def test_events_keep_their_order_and_are_read_in_pages(database: Database) -> None:
    """Also those of one transaction; `after` continues where the last page ended."""

    async def happen(tx: Transaction) -> None:
        for number in range(10):
            await record(tx, "signed_in", f"usr_{number % 2}", reason=str(number))

    async def pages(tx: Transaction) -> list[str]:
        read: list[str] = []
        last = ""
        while page := await tx.events.after(last, user_id="usr_1", limit=2):
            read += [event.reason for event in page]
            last = page[-1].id
        return read

    _, everything, own, newest_first = run(
        database, happen, lambda tx: tx.events.after(""), pages, lambda tx: tx.events.of_user("usr_1")
    )
    assert [event.reason for event in everything] == [str(number) for number in range(10)]
    assert own == ["1", "3", "5", "7", "9"]
    assert [event.reason for event in newest_first] == own[::-1]


def test_an_address_is_changed_unless_it_is_taken(database: Database) -> None:
    """Also to the same one, which verifies it."""
    people = [User(id=f"usr_{name}", email=f"{name}@example.test", created_at=NOON) for name in ("a", "b")]
    done = run(
        database,
        *[lambda tx, user=user: tx.users.add(user) for user in people],
        lambda tx: tx.users.set_email("usr_a", "b@example.test", NOON),
        lambda tx: tx.users.set_email("usr_a", "c@example.test", NOON),
        lambda tx: tx.users.set_email("usr_b", "b@example.test", NOON),
        lambda tx: tx.users.by_id("usr_a"),
    )
    assert done[2:5] == [False, True, True]
    assert (done[5].email, done[5].email_verified_at) == ("c@example.test", NOON)


def test_a_person_is_erased(database: Database) -> None:
    """With password, sessions, grants, codes, mails and events; others keep theirs."""

    async def move_in(tx: Transaction, name: str) -> None:
        user_id = f"usr_{name}"
        await tx.users.add(User(id=user_id, email=f"{name}@example.test", created_at=NOON))
        await tx.passwords.put(user_id, "a hash", NOON)
        await tx.sessions.add(
            Session(
                id=f"ses_{name}",
                user_id=user_id,
                auth_time=NOON,
                acr="1",
                amr=("pwd",),
                address="",
                user_agent="",
                expires_at=NOON + HOUR,
            )
        )
        await tx.grants.add(
            Grant(
                id=f"gnt_{name}",
                session_id=f"ses_{name}",
                user_id=user_id,
                client_id="first-party",
                audience=(),
                scope=(),
                secret_digest=b"d" * 32,
                current=1,
                status=StatusIndex(1, ord(name)),
                touched_at=NOON,
                expires_at=NOON + HOUR,
            )
        )
        await tx.codes.add(msgspec.structs.replace(CODE, digest=name.encode() * 32, user_id=user_id, holder=b""))
        await tx.mails.add(f"mail_{name}", b"sealed", user_id=user_id, now=NOON)
        await record(tx, "signed_in", user_id)

    async def left(tx: Transaction) -> list[Any]:
        return [
            [user.id for user in await tx.users.all()],
            [await tx.passwords.of(f"usr_{name}") for name in "ab"],
            [len(await tx.sessions.all_of(f"usr_{name}")) for name in "ab"],
            [len(await tx.grants.live_of_user(f"usr_{name}", NOON)) for name in "ab"],
            [await tx.codes.look(name.encode() * 32, "sign_in", NOON) is not None for name in "ab"],
            [mail.id for mail in await tx.mails.latest(10)],
            [event.user_id for event in await tx.events.after("")],
        ]

    *_, seen = run(
        database,
        lambda tx: move_in(tx, "a"),
        lambda tx: move_in(tx, "b"),
        lambda tx: erase(tx, "usr_a"),
        left,
    )
    assert seen == [["usr_b"], [None, "a hash"], [0, 1], [0, 1], [False, True], ["mail_b"], ["usr_b"]]


def test_the_id_of_an_erased_person_is_nobodys_again(database: Database) -> None:
    """No new account gets it, under any address; the table that remembers it holds neither the id nor the address."""
    zoe = User(id="zoe@example.test|1", email="zoe@example.test", created_at=NOON)
    others = msgspec.structs.replace(zoe, email="other@example.test")
    done = run(
        database,
        lambda tx: tx.users.was_deleted(zoe.id),
        lambda tx: tx.users.add(zoe),
        lambda tx: tx.users.add(others),
        lambda tx: tx.users.was_deleted(zoe.id),
        lambda tx: erase(tx, zoe.id),
        lambda tx: tx.users.was_deleted(zoe.id),
        lambda tx: tx.users.add(others),
        lambda tx: tx.users.all(),
        lambda tx: tx.users.add(msgspec.structs.replace(zoe, id="usr_new")),
    )
    assert done == [False, True, False, False, None, True, False, [], True]


def test_counts_of_the_log(database: Database) -> None:
    """What doctor and the operators' numbers ask of the log is answered on every database."""

    async def unit(tx: Transaction) -> tuple[tuple[int, int], tuple[int, int], list[str]]:
        await record(tx, "signed_in", "usr_a")
        await record(tx, "sign_in_refused", where=Origin(address="127.0.0.1"))
        days = await tx.events.daily(("signed_in", "account_created"), 0)
        return await tx.events.sign_ins_since(0), await tx.users.count(), [each.kind for each in days]

    assert run(database, unit) == [((2, 1), (0, 0), ["signed_in"])]
