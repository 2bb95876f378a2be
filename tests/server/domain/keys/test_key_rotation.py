"""The life of the server's keys: what is decided, and that it is done once; on clocks that a test sets."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from tests.support.server import NOON, SettableClock

from gatepass.jose import KeySet, jws
from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.base.settings import load
from gatepass.server.domain.keys.id_token_signers import IdTokenSigners
from gatepass.server.domain.keys.jwks import render_jwks
from gatepass.server.domain.keys.master_key import DataKey
from gatepass.server.domain.keys.rotation import (
    compromise,
    make_first_keys,
    provide_keys,
    retire,
    rotate,
    stored_keys,
    take_steps,
)
from gatepass.server.domain.keys.schedule import (
    PUBLISHED_AFTER_RETIREMENT,
    Drop,
    KeySchedule,
    Publish,
    Retire,
    StoredKey,
    due,
    line,
    plan,
    state_of,
    still_verifies,
)
from gatepass.server.domain.replica import Replica
from gatepass.server.domain.revocation.known import KnownRevocations
from gatepass.server.store.opening import open_first_epoch
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.tokens.access_token import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Generator
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.keys.schedule import Step, Use
    from gatepass.server.domain.ports import Transaction

DAY = 86_400
PACE = KeySchedule(rotation=30 * DAY, prepublish=DAY)
DATA_KEY = DataKey(bytes(range(32)))


# ── what is decided ──


def key(
    kid: str,
    generation: int,
    signs_from: float,
    *,
    use: Use = "sig",
    alg: str = "ES256",
    retired_at: float | None = None,
    compromised_at: float | None = None,
) -> StoredKey:
    """A stored key, for what is decided by its times alone."""
    return StoredKey(
        kid=kid,
        use=use,
        alg=alg,
        sealed=b"",
        created_at=NOON,
        signs_from=signs_from,
        retired_at=retired_at,
        compromised_at=compromised_at,
        generation=generation,
    )


def of_tokens(steps: list[Step]) -> list[Step]:
    """The steps without those of the key for documents."""
    return [step for step in steps if not (isinstance(step, Publish) and step.use == "documents")]


def test_an_empty_store_gets_a_key_at_once() -> None:
    """There is nobody yet who could not know it; nor one for documents, of which the tokens' algorithm is no matter."""
    assert due([], PACE, alg="RS256", now=NOON) == [Publish(0, "sig", "RS256"), Publish(0, "documents", "ES256")]


def test_a_key_has_a_successor_in_time() -> None:
    """The next key is published a day before 30 days are over, takes over when they are, and the first is dropped."""
    first = key("first", 1, NOON)
    assert of_tokens(plan([first], PACE, alg="ES256")) == [Publish(NOON + 29 * DAY, "sig", "ES256")]
    second = key("second", 2, NOON + 30 * DAY)
    assert of_tokens(plan([second, first], PACE, alg="ES256")) == [
        Retire(NOON + 30 * DAY, "first"),
        Publish(NOON + 59 * DAY, "sig", "ES256"),
    ]
    assert [state_of(each, [second, first]) for each in (first, second)] == ["signing", "pre-published"]
    retired = key("first", 1, NOON, retired_at=NOON + 30 * DAY)
    assert Drop(NOON + 30 * DAY + PUBLISHED_AFTER_RETIREMENT, "first") in plan([second, retired], PACE, alg="ES256")
    assert [state_of(each, [second, retired]) for each in (retired, second)] == ["retired", "signing"]


def test_rotation_can_be_off() -> None:
    """With a rotation of 0 nothing is due, ever."""
    assert of_tokens(plan([key("only", 1, NOON)], KeySchedule(rotation=0, prepublish=DAY), alg="ES256")) == []


def test_a_key_is_published_before_the_cached_jwks_expires() -> None:
    """However short the time is set, it is the JWKS's own and a minute; and no two keys wait at once."""
    pace = KeySchedule.of(rotation=60, prepublish=0, jwks_max_age=300)
    assert pace.prepublish == 360
    assert of_tokens(plan([key("only", 1, NOON)], pace, alg="ES256")) == [Publish(NOON, "sig", "ES256")]
    waiting = [key("next", 2, NOON + 360), key("only", 1, NOON)]
    steps = of_tokens(plan(waiting, pace, alg="ES256"))
    assert steps == [Retire(NOON + 360, "only"), Publish(NOON + 360, "sig", "ES256")]


def test_the_setting_of_the_algorithm_makes_no_key_beside_another() -> None:
    """Two nodes with different settings do not make keys against each other: a key takes after the one before it."""
    assert of_tokens(due([key("only", 1, NOON)], PACE, alg="Ed25519", now=NOON + DAY)) == []
    assert due([key("only", 1, NOON)], PACE, alg="Ed25519", now=NOON + 29 * DAY)[0] == Publish(
        NOON + 29 * DAY, "sig", "ES256"
    )


def test_a_shared_secret_never_changes_by_itself() -> None:
    """Nobody would hand the new one to the API; what signs the documents rotates, whatever the tokens' key is."""
    secret = key("secret", 1, NOON, alg="HS256")
    assert plan([secret], PACE, alg="HS256") == [Publish(0, "documents", "ES256")]
    documents = key("documents", 1, NOON, use="documents")
    assert plan([secret, documents], PACE, alg="HS256") == [Publish(NOON + 29 * DAY, "documents", "ES256")]
    ec = key("ec", 1, NOON)
    assert Publish(NOON + 29 * DAY, "documents", "ES256") in plan([ec, documents], PACE, alg="ES256")


def test_nobody_verifies_with_a_compromised_key() -> None:
    """Not even while its tokens might live."""
    stolen = key("stolen", 1, NOON, retired_at=NOON, compromised_at=NOON)
    assert not still_verifies(stolen, NOON)
    assert state_of(stolen, [stolen]) == "compromised"


# ── that it is done once ──


@pytest.fixture
def clock() -> SettableClock:
    """The database's clock."""
    return SettableClock()


@pytest.fixture
def database(tmp_path: Path, clock: SettableClock) -> Generator[SqliteDatabase]:
    """A database with its first keys."""
    opened = SqliteDatabase(tmp_path / "gatepass.db", clock)
    asyncio.run(open_first_epoch(opened))
    asyncio.run(make_first_keys(opened, DATA_KEY, PACE, alg="ES256"))
    yield opened
    opened.close()


def stored(database: SqliteDatabase, use: Use = "sig") -> list[StoredKey]:
    """The keys of a use, oldest first."""
    return [each for each in reversed(asyncio.run(stored_keys(database))) if each.use == use]


def test_a_year_of_rotations(database: SqliteDatabase, clock: SettableClock, effort: int) -> None:
    """Twelve times a new key, each published for a day before it signs for 30; at the end two are left, or three."""
    signed: list[str] = []
    hours = 6 if effort == 1 else 1
    for _ in range(365 * 24 // hours):
        asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256"))
        signing = line(stored(database), "sig")[0]
        if [signing.kid] != signed[-1:]:
            signed.append(signing.kid)
            assert clock.now >= signing.signs_from
        clock.advance(3_600 * hours)
    assert len(signed) == len(set(signed)) == 13
    assert len(stored(database)) == 1


def test_a_server_that_was_off_for_long_goes_on(database: SqliteDatabase, clock: SettableClock) -> None:
    """The overdue key is published first, and signs a day later, not at once."""
    first = stored(database)[0].kid
    clock.advance(400 * DAY)
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256"))
    waiting = line(stored(database), "sig")
    assert [each.kid for each in waiting][:1] == [first]
    assert [each.signs_from for each in waiting][1:] == [clock.now + DAY]


def test_a_new_algorithm_waits_its_turn(database: SqliteDatabase, clock: SettableClock) -> None:
    """A start with another `alg` pre-publishes a key; both are in the set, and the change back takes the same way."""
    live = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="Ed25519", now=clock()))
    assert live.current.signer.alg == "ES256"
    assert sorted(each.alg for each in live.current.verification) == ["ES256", "Ed25519"]
    again = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="Ed25519", now=clock()))
    assert len(again.current.verification) == 2
    clock.advance(DAY)
    moved = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="Ed25519", now=clock()))
    assert moved.current.signer.alg == "Ed25519"
    back = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock()))
    assert (back.current.signer.alg, len(back.current.verification)) == ("Ed25519", 3)


def test_a_change_of_mind_leaves_no_key_waiting(database: SqliteDatabase, clock: SettableClock) -> None:
    """A pre-published key of an algorithm that is wanted no more never signs."""
    asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="Ed25519", now=clock()))
    asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES384", now=clock()))
    assert [each.alg for each in line(stored(database), "sig")] == ["ES256", "ES384"]


def test_a_change_to_a_shared_secret_leaves_the_key_for_documents(
    database: SqliteDatabase, clock: SettableClock
) -> None:
    """There is never a secret and nothing to sign lists with; the secret is not published."""
    (documents,) = stored(database, "documents")
    asyncio.run(rotate(database, DATA_KEY, PACE, alg="HS256", at_once=True))
    live = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="HS256", now=clock()))
    assert (live.current.signer.alg, live.current.document_signer.kid) == ("HS256", documents.kid)
    assert live.current.newest_key.kid == live.current.signing_key.kid
    assert len(live.current.published) == 2


def test_a_compromised_key_is_told_of_and_replaced(database: SqliteDatabase, clock: SettableClock) -> None:
    """One transaction: the event, the mark, the new key that signs. The refresh tokens' secret stays."""
    old, secret = stored(database)[0].kid, stored(database, "refresh")
    signing = asyncio.run(compromise(database, DATA_KEY, old))
    assert signing is not None
    assert (signing.kid != old, signing.signs_from) == (True, clock.now)
    assert [state_of(each, stored(database)) for each in stored(database)] == ["compromised", "signing"]
    assert stored(database, "refresh") == secret
    live = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock()))
    assert [each.kid for each in live.current.verification] == [signing.kid]
    assert {each.kid for each in live.current.published} == {signing.kid, live.current.document_signer.kid}
    assert live.current.verification.get(old) is None
    assert revoked_kids(database) == [old]
    asyncio.run(compromise(database, DATA_KEY, old))
    assert len(stored(database)) == 2
    clock.advance(PUBLISHED_AFTER_RETIREMENT)
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256"))
    assert [each.kid for each in stored(database)] == [signing.kid]


def revoked_kids(database: SqliteDatabase) -> list[str | None]:
    """The keys in the log of revocations."""

    async def unit(tx: Transaction) -> list[str | None]:
        return [entry.kid for entry in await tx.revocations.after(0, tx.now)]

    return asyncio.run(database.read(unit))


def test_the_key_that_waits_takes_over(database: SqliteDatabase) -> None:
    """Verifiers know a pre-published key already, so it is better than a new one; for `retire` as for `compromise`."""
    waiting = asyncio.run(rotate(database, DATA_KEY, PACE)).kid
    signing = asyncio.run(compromise(database, DATA_KEY, line(stored(database), "sig")[0].kid))
    assert signing is not None
    assert signing.kid == waiting
    waiting = asyncio.run(rotate(database, DATA_KEY, PACE)).kid
    signing = asyncio.run(retire(database, DATA_KEY, signing.kid))
    assert signing is not None
    assert signing.kid == waiting


def test_the_secret_of_the_refresh_tokens_cannot_be_withdrawn_as_a_key(database: SqliteDatabase) -> None:
    """It is none that a verifier knows."""
    (secret,) = stored(database, "refresh")
    assert asyncio.run(compromise(database, DATA_KEY, secret.kid)) is None
    assert asyncio.run(retire(database, DATA_KEY, secret.kid)) is None
    assert stored(database, "refresh") == [secret]


_PROCESSES, _TASKS, _STEPS = 4, 8, 12


def _step_along(path: Path, start: Barrier) -> None:
    """What one process does: at each hour of the scaled clock, look what is due, several times at once."""
    clock = SettableClock(NOON)
    database = SqliteDatabase(path, clock)

    async def look() -> None:
        await asyncio.gather(*(take_steps(database, DATA_KEY, PACE, alg="ES256") for _ in range(_TASKS)))

    for _ in range(_STEPS):
        start.wait()
        asyncio.run(look())
        start.wait()
        clock.advance(15 * DAY)
    database.close()


def test_of_many_processes_one_does_each_step(tmp_path: Path) -> None:
    """4 processes with 8 tasks each look at the same moments: every generation exists once, and none is left out."""
    path = tmp_path / "gatepass.db"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(_PROCESSES)
    processes = [context.Process(target=_step_along, args=(path, start)) for _ in range(_PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * _PROCESSES
    database = SqliteDatabase(path, SettableClock(NOON + _STEPS * 15 * DAY))
    newest = line(stored(database), "sig")[-1]
    made = newest.generation
    # Every 15 days: published when 30 days are nearly over, signing a day later; so a key each second look.
    assert made == 1 + (_STEPS - 1) // 2
    assert len(stored(database)) <= 3
    database.close()


# ── verifiers that keep what they have ──


class Token(NamedTuple):
    """A token, and when it ends."""

    text: str
    expires_at: float


def mint(node: LiveKeys, now: float) -> Token:
    """Sign a token for as long as one may live at all."""
    return Token(jws.sign(b"{}", node.current.signing_key), now + MAX_LIFETIME)


class Caching:
    """A verifier that keeps the JWKS for exactly as long as it may, and never looks for a key before."""

    def __init__(self, node: LiveKeys, now: float, max_age: float) -> None:
        self._max_age = max_age
        self._fetch(node, now)

    def verify(self, token: Token, now: float, node: LiveKeys) -> None:
        """Verify a signature with what is cached; `node` is who would be asked."""
        if now >= self._fetched_at + self._max_age:
            self._fetch(node, now)
        jws.verify(token.text, self._keys)

    def _fetch(self, node: LiveKeys, now: float) -> None:
        self._keys, self._fetched_at = KeySet.from_jwks(render_jwks(node.current)), now


_ROTATIONS = 10
_TICK = 20


@pytest.mark.soak
@pytest.mark.parametrize("max_age", [300, 3_600])
def test_verifiers_that_never_fetch_early_never_fail(
    database: SqliteDatabase, clock: SettableClock, max_age: int, effort: int
) -> None:
    """10 rotations (500 in `make soak`), as fast as may be: 3 nodes that notice late, 8 verifiers that cache.

    Tokens live for an hour, the hard cap, and are verified from their first second to their last.
    """
    pace = KeySchedule.of(rotation=1, prepublish=0, jwks_max_age=max_age)
    chance = random.Random(max_age)  # noqa: S311 - the same course each time
    nodes = [asyncio.run(provide_keys(database, DATA_KEY, pace, alg="ES256", now=clock())) for _ in range(3)]
    rhythms = [chance.randrange(-max_age, 0) for _ in range(8)]
    verifiers = [Caching(nodes[0], clock.now + rhythm, max_age) for rhythm in rhythms]
    alive: deque[Token] = deque()
    signers: set[str] = set()
    rounds = 0
    while len(signers) <= _ROTATIONS * effort:
        rounds += 1
        clock.advance(_TICK)
        asyncio.run(take_steps(database, DATA_KEY, pace, alg="ES256"))
        rows = asyncio.run(stored_keys(database))
        for lag, node in enumerate(nodes, 1):
            if rounds % lag == 0:
                node.update(rows, clock.now)
            signers.add(node.current.signing_key.kid or "")
            alive.append(mint(node, clock.now))
        while alive[0].expires_at <= clock.now:
            alive.popleft()
        for verifier in verifiers:
            verifier.verify(chance.choice((alive[0], alive[-1], chance.choice(alive))), clock.now, chance.choice(nodes))
    assert rounds * _TICK >= _ROTATIONS * effort * pace.prepublish
    assert len(stored(database)) <= 3 + PUBLISHED_AFTER_RETIREMENT / pace.prepublish


# ── ID tokens ──


def test_id_tokens_have_a_key_of_their_own_where_their_algorithm_is_another() -> None:
    """It is made once somebody wants one, rotates like the other, and retires where the other has its algorithm."""
    sig = key("sig", 1, NOON)

    def now_due(keys: list[StoredKey], alg: str, id_token_alg: str | None) -> list[Step]:
        return of_tokens(due(keys, PACE, alg=alg, id_token_alg=id_token_alg, now=NOON))

    assert now_due([sig], "ES256", None) == []
    assert now_due([sig], "ES256", "RS256") == [Publish(0, "id_token", "RS256")]
    assert now_due([sig], "ES256", "ES256") == []
    assert now_due([], "RS256", "RS256") == [Publish(0, "sig", "RS256")]
    own = key("own", 1, NOON, use="id_token", alg="RS256")
    assert Publish(NOON + 29 * DAY, "id_token", "RS256") in plan([sig, own], PACE, alg="ES256")
    now_rsa = key("rsa", 2, NOON, alg="RS256")
    gone = msgspec.structs.replace(sig, retired_at=NOON)
    assert Retire(0, "own") in plan([now_rsa, gone, own], PACE, alg="RS256")


def test_no_setting_makes_id_token_keys_against_another_node() -> None:
    """Two nodes with different settings agree on what is due once there is a key."""
    keys = [key("sig", 1, NOON), key("own", 1, NOON, use="id_token", alg="RS256")]
    plans = [plan(keys, PACE, alg="ES256", id_token_alg=alg) for alg in ("RS256", "PS256", "ES256", None)]
    assert all(each == plans[0] for each in plans)


def test_the_key_of_id_tokens_verifies_no_access_token(database: SqliteDatabase, clock: SettableClock) -> None:
    """It is in the JWKS and signs what is asked for in its algorithm; our own calls do not know it."""
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256", id_token_alg="RS256"))
    ring = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock())).current
    signer = ring.id_token_signer("RS256")
    assert signer is not None
    assert {each.kid for each in ring.published} == {signer.kid, ring.signer.kid, ring.document_signer.kid}
    assert [each.kid for each in ring.verification] == [ring.signer.kid]
    assert ring.id_token_signer("ES256") is ring.signer
    assert ring.id_token_signer("PS256") is None
    assert ring.document_signer.kid not in (ring.signer.kid, signer.kid)


def test_of_many_that_want_the_first_id_token_one_makes_its_key(database: SqliteDatabase) -> None:
    """Ten at once leave one key."""

    async def all_at_once() -> None:
        await asyncio.gather(
            *(take_steps(database, DATA_KEY, PACE, alg="ES256", id_token_alg="RS256") for _ in range(10))
        )

    asyncio.run(all_at_once())
    assert [each.alg for each in stored(database, "id_token")] == ["RS256"]


def test_another_algorithm_of_id_tokens_waits_its_turn(database: SqliteDatabase, clock: SettableClock) -> None:
    """As that of access tokens does; where theirs is the same, the key of ID tokens alone is needed no more."""

    def start(id_token_alg: str) -> list[str]:
        asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock(), id_token_alg=id_token_alg))
        return [each.alg for each in line(stored(database, "id_token"), "id_token")]

    assert start("RS256") == []
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256", id_token_alg="RS256"))
    assert start("PS256") == ["RS256", "PS256"]
    assert start("PS256") == ["RS256", "PS256"]
    assert start("RS256") == ["RS256", "RS256"]
    assert start("ES256") == []


def test_a_hint_outlives_the_key_that_signed_it(database: SqliteDatabase, clock: SettableClock) -> None:
    """An ID token tells whom it was about for 90 days after its key left the JWKS, if that was not compromised."""
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256", id_token_alg="RS256"))
    live = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock()))
    (first,) = stored(database, "id_token")
    asyncio.run(rotate(database, DATA_KEY, PACE, use="id_token", at_once=True))
    clock.advance(PUBLISHED_AFTER_RETIREMENT + 1)
    assert live.update(asyncio.run(stored_keys(database)), clock())
    assert (live.current.published.get(first.kid), live.current.hints.get(first.kid) is None) == (None, False)
    asyncio.run(compromise(database, DATA_KEY, first.kid))
    assert live.update(asyncio.run(stored_keys(database)), clock())
    assert live.current.hints.get(first.kid) is None
    assert len(line(stored(database, "id_token"), "id_token")) == 1


def test_id_tokens_without_a_key_of_their_own_have_none_to_rotate(database: SqliteDatabase) -> None:
    """The command says why."""
    with pytest.raises(StartupError, match="no key of their own"):
        asyncio.run(rotate(database, DATA_KEY, PACE, use="id_token"))


def test_id_tokens_go_on_while_another_algorithm_waits(
    database: SqliteDatabase, clock: SettableClock, tmp_path: Path
) -> None:
    """For the day in which the next key is pre-published, clients that registered nothing get what they got before."""
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256", id_token_alg="RS256"))
    live = asyncio.run(provide_keys(database, DATA_KEY, PACE, alg="ES256", now=clock(), id_token_alg="PS256"))
    settings = load(flags={"id_token_alg": "PS256", "data_dir": str(tmp_path)})
    signers = IdTokenSigners(database, DATA_KEY, live, Replica(database, KnownRevocations()), settings)

    def algs(*registered: str) -> list[str]:
        return [asyncio.run(signers.signer(live.current, alg)).alg for alg in registered]

    assert algs("", "RS256", "ES256") == ["RS256", "RS256", "ES256"]
    clock.advance(DAY)
    asyncio.run(take_steps(database, DATA_KEY, PACE, alg="ES256"))
    assert live.update(asyncio.run(stored_keys(database)), clock())
    assert algs("", "PS256", "ES256") == ["PS256", "PS256", "ES256"]
    with pytest.raises(Unavailable, match="signer_unavailable"):
        algs("RS256")
