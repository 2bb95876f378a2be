"""Following an issuer over real sockets: the thread, its start and its end, and what tokens meet meanwhile."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import pytest
from tests.support.scripted_issuer import JWKS, LIST, METADATA, SNAPSHOT, STREAM, Clock, ScriptedIssuer, answer
from tests.support.wait import eventually

from gatepass.jose import JoseError, Key, KeySet
from gatepass.tokens.status_list import SIZE, Bits
from gatepass.verify import Fetched, Verifier, follow
from gatepass.verify.following import status_lists

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Iterator[ScriptedIssuer]:
    """Run an issuer that publishes what it revokes."""
    with ScriptedIssuer(clock=clock, revokes=True) as server:
        yield server


@pytest.fixture
def verifier(issuer: ScriptedIssuer, clock: Clock) -> Iterator[Verifier]:
    """Make a verifier with everything by default."""
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock) as made:
        yield made


def verdict(verifier: Verifier, token: str) -> str:
    """Say what becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


def until(verifier: Verifier, state: str) -> None:
    """Wait for a state."""
    eventually(lambda: verifier.health().feed == state)


def until_back(verifier: Verifier) -> None:
    """Let time pass until it is live again."""
    clock = verifier.clock
    assert isinstance(clock, Clock)

    def tries() -> bool:
        clock.advance(0.5)
        return verifier.health().feed == "live"

    eventually(tries)


_OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _not_ours() -> None:
    """Leave out the threads of verifiers that other tests of this process have left to the garbage collector."""
    _OTHERS.clear()
    _OTHERS.update(threads())


def threads() -> list[threading.Thread]:
    """The threads that follow."""
    return [
        thread for thread in threading.enumerate() if thread.name == "gatepass-revocation" and thread not in _OTHERS
    ]


# ── what tokens meet ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_revoked_token_dies_everywhere_at_once(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """By index and by name, remembered or not, while another token lives; nothing is asked per token."""
    one, two, three = (issuer.token(jti=f"t{n}", status=issuer.at(n)) for n in range(3))
    assert [verdict(verifier, token) for token in (one, two, three)] == ["good"] * 3
    until(verifier, "live")
    asked = list(issuer.requests)
    issuer.revoke(0)
    issuer.revoke(jti="t1")
    eventually(lambda: [verdict(verifier, token) for token in (one, two)] == ["revoked"] * 2)
    assert verdict(verifier, three) == "good"
    assert verdict(verifier, issuer.token(jti="t4", status=issuer.at(0))) == "revoked"
    assert issuer.requests == asked


def test_averify_is_verify(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """In an event loop the same tokens are refused."""
    issuer.bits[LIST].set([5])

    async def codes() -> list[str]:
        found: list[str] = []
        for idx in (5, 6):
            try:
                await verifier.averify(issuer.token(status=issuer.at(idx)))
                found.append("good")
            except JoseError as error:
                found.append(error.code)
        return found

    assert asyncio.run(codes()) == ["revoked", "good"]


def test_the_first_token_waits_for_what_is_revoked(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A token that was revoked before the process started never passes, not even once."""
    issuer.jtis = {"t1": int(issuer.clock()) + 900}
    issuer.bits[LIST].set([5])
    assert verdict(verifier, issuer.token(jti="t1")) == "revoked"
    assert verdict(verifier, issuer.token(jti="t2", status=issuer.at(5))) == "revoked"


def test_the_first_token_by_a_key_that_is_revoked(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """The JWKS still has the key, as a cache may; the snapshot says that it was stolen."""
    issuer.keys.append(Key.generate("ES256"))
    stolen, other = issuer.keys
    issuer.keys = [other, stolen]
    issuer.kids = [stolen.kid or ""]
    assert verdict(verifier, issuer.token(stolen)) == "revoked"
    assert verdict(verifier, issuer.token(other)) == "good"


def test_a_stolen_key_dies_at_once(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Its tokens are refused, remembered ones too, without a fetch for each; the next key is found in the JWKS."""
    stolen = issuer.keys[0]
    token = issuer.token(stolen)
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    other = Key.generate("ES256")
    issuer.keys = [other]
    issuer.revoke(kid=stolen.kid, key=other)
    eventually(lambda: verdict(verifier, token) == "revoked")
    asked = issuer.count(JWKS)
    for number in range(20):
        assert verdict(verifier, issuer.token(stolen, jti=f"forged {number}")) == "revoked"
    assert issuer.count(JWKS) == asked
    assert verdict(verifier, issuer.token(other)) == "good"


def test_two_keys_that_are_stolen_within_half_a_minute(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """The pause between fetches for unknown keys does not keep the newest key out: the issuer's own word brings it."""
    assert verdict(verifier, issuer.token()) == "good"
    until(verifier, "live")
    for _ in range(3):
        stolen, other = issuer.keys[0], Key.generate("ES256")
        issuer.keys = [other]
        issuer.revoke(kid=stolen.kid, key=other)
        eventually(lambda stolen=stolen: verdict(verifier, issuer.token(stolen)) == "revoked")  # type: ignore[misc]
        assert verdict(verifier, issuer.token(other)) == "good"


def test_a_stolen_key_dies_when_keys_were_given(issuer: ScriptedIssuer, clock: Clock) -> None:
    """`keys=` with `revocation=` follows the issuer all the same; a key among those given is refused from then on."""
    stolen, other = issuer.keys[0], Key.generate("ES256")
    issuer.keys.append(other)
    for given in (stolen.public(), KeySet([stolen.public()])):
        issuer.kids.clear()
        policy: dict[str, Any] = {"issuer": issuer.url, "audience": "my-api", "clock": clock}
        with Verifier(keys=given, revocation="feed", **policy) as verifier:
            assert verdict(verifier, issuer.token(stolen)) == "good"
            until(verifier, "live")
            issuer.revoke(kid=stolen.kid, key=other)
            eventually(lambda verifier=verifier: verdict(verifier, issuer.token(stolen)) == "revoked")  # type: ignore[misc]


def test_a_shared_secret_and_revocation(issuer: ScriptedIssuer, clock: Clock) -> None:
    """Tokens by the secret that was given; lists and events by the issuer's published keys."""
    secret = Key.generate("HS256")
    policy: dict[str, Any] = {"issuer": issuer.url, "audience": "my-api", "clock": clock}
    with Verifier(keys=secret, revocation="feed", **policy) as verifier:
        token = issuer.token(secret, status=issuer.at(5))
        assert verdict(verifier, token) == "good"
        until(verifier, "live")
        issuer.revoke(5)
        eventually(lambda: verdict(verifier, token) == "revoked")


def test_given_keys_fetch_nothing(issuer: ScriptedIssuer, clock: Clock) -> None:
    """With `keys=` and no word about revocation, nobody is asked."""
    verifier = Verifier(issuer=issuer.url, audience="my-api", keys=issuer.keys[0].public(), clock=clock)
    issuer.bits[LIST].set([5])
    assert verdict(verifier, issuer.token(status=issuer.at(5))) == "good"
    assert (issuer.requests, verifier.health().feed, verifier.health().keys_fresh) == ([], "off", True)
    verifier.close()


def test_revocation_can_be_left_out(issuer: ScriptedIssuer, clock: Clock) -> None:
    """`revocation=None`: keys are fetched, and tokens are good until they expire."""
    verifier = Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=clock)
    assert verdict(verifier, issuer.token(status=issuer.at(5))) == "good"
    assert (issuer.requests, verifier.health().feed) == ([METADATA, JWKS], "off")


def test_lists_alone(issuer: ScriptedIssuer, clock: Clock) -> None:
    """`revocation="list"` opens no stream; what is revoked is known within the `ttl`."""
    with Verifier(issuer=issuer.url, audience="my-api", revocation="list", clock=clock) as verifier:
        token = issuer.token(status=issuer.at(5))
        assert verdict(verifier, token) == "good"
        issuer.revoke(5)
        assert (verdict(verifier, token), verifier.health().feed) == ("good", "list only")
        clock.advance(30)
        eventually(lambda: verdict(verifier, token) == "revoked")
        assert issuer.count(STREAM) == 0


def test_a_function_in_place_of_httpx(issuer: ScriptedIssuer, clock: Clock) -> None:
    """`fetch` cannot listen, so lists and snapshot are taken through it."""
    issuer.bits[LIST].set([5])
    answers = {
        METADATA: json.dumps(issuer.metadata()),
        JWKS: json.dumps(KeySet(issuer.keys).to_jwks()),
        SNAPSHOT: issuer.snapshot(),
        LIST: issuer.status_list(),
    }

    def own(url: str) -> Fetched:
        return Fetched(200, {}, answers[url.removeprefix(issuer.origin)].encode())

    with Verifier(issuer=issuer.url, audience="my-api", fetch=own, clock=clock) as verifier:
        assert verdict(verifier, issuer.token(status=issuer.at(5))) == "revoked"
        assert (issuer.requests, verifier.health().feed) == ([], "list only")


def test_an_issuer_that_publishes_nothing(clock: Clock) -> None:
    """No thread, no fetch, and `health` says so; a token that names a list is still checked against it."""
    with (
        ScriptedIssuer(clock=clock) as issuer,
        Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale="refuse") as verifier,
    ):
        assert verdict(verifier, issuer.token()) == "good"
        assert (issuer.requests, verifier.health().feed, threads()) == ([METADATA, JWKS], "off", [])
        issuer.bits[LIST].set([5])
        assert verdict(verifier, issuer.token(jti="t2", status=issuer.at(5))) == "revoked"
        assert verdict(verifier, issuer.token(jti="t3", status=issuer.at(6))) == "good"
        assert (verifier.health().feed, verifier.health().lists) == ("off", 1)


def test_a_status_that_is_not_ours(clock: Clock) -> None:
    """Other issuers may mean something else by `status`; one that names a place must name one."""
    with (
        ScriptedIssuer(clock=clock) as issuer,
        Verifier(issuer=issuer.url, audience="my-api", clock=clock, typ=None) as verifier,
    ):
        assert verdict(verifier, issuer.token(status="active")) == "good"
        assert verdict(verifier, issuer.token(status={"identifier_list": {}})) == "good"
        places: list[Any] = [{}, {"idx": -1, "uri": "x"}, {"idx": True, "uri": "x"}, {"idx": 1}, {"idx": 1, "uri": 2}]
        for place in [*places, [], None, 7]:
            assert verdict(verifier, issuer.token(status={"status_list": place})) == "bad_claim"
        assert verdict(verifier, issuer.token(act_status="active")) == "good"
        for place in places:
            assert verdict(verifier, issuer.token(act_status=[place])) == "bad_claim"


# ── staleness and outages ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("stale", "code"), [("serve", "good"), ("refuse", "revocation_stale")])
def test_a_stream_that_breaks_and_documents_that_do_not_come(
    issuer: ScriptedIssuer,
    clock: Clock,
    stale: Literal["serve", "refuse"],
    code: str,
) -> None:
    """Up to `stale_after` what we know counts; then the rule; and the issuer's return ends that by itself."""
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale=stale) as verifier:
        token = issuer.token(status=issuer.at(5))
        assert verdict(verifier, token) == "good"
        until(verifier, "live")
        for path in (SNAPSHOT, STREAM, LIST):
            issuer.scripts[path] = lambda connection: answer(connection, b"", status=503)
        issuer.say(None)
        until(verifier, "list only")
        clock.advance(59)
        assert verdict(verifier, token) == "good"
        clock.advance(1)
        assert verifier.health().feed == "stale"
        assert verdict(verifier, token) == code
        issuer.scripts.clear()
        until_back(verifier)
        assert verdict(verifier, token) == "good"


def test_a_stream_is_resumed_where_it_broke(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """What happened meanwhile is heard on return, without a snapshot."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    issuer.revoke(1)
    eventually(lambda: verifier.health().event_id == 1)
    issuer.say(None)
    until(verifier, "list only")
    issuer.revoke(5)
    clock.advance(1)
    eventually(lambda: verdict(verifier, token) == "revoked")
    assert issuer.asked_from == ["e1:0", "e1:1"]


def test_a_restored_issuer(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """Another epoch: everything is taken again, and the stream goes on with it."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    issuer.epoch, issuer.event_id, issuer.log = "e2", 40, []
    clock.advance(1)
    issuer.say(None)
    until(verifier, "list only")
    until_back(verifier)
    assert (verifier.health().epoch, verifier.health().event_id) == ("e2", 40)
    issuer.revoke(5)
    eventually(lambda: verdict(verifier, token) == "revoked")


def test_an_issuer_that_stalls_holds_a_token_up_once(
    issuer: ScriptedIssuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first token waits for two seconds at most, and those after it not at all; the rule decides."""
    monkeypatch.setattr(follow, "FIRST_SECONDS", 0.2)

    def stalls(_: socket.socket) -> None:
        issuer.released.wait()

    issuer.scripts[SNAPSHOT] = stalls
    began = time.monotonic()
    assert verdict(verifier, issuer.token()) == "good"
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    for number in range(50):
        assert verdict(verifier, issuer.token(jti=f"t{number}")) == "good"
    assert time.monotonic() - began < 2


# ── threads, tasks and processes ────────────────────────────────────────────────────────────────────────────────────


def test_sixteen_threads_one_fetch(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Sixteen threads with sixteen tokens that name one list cause one fetch of each document, by one thread."""
    tokens = [issuer.token(jti=f"t{n}", status=issuer.at(n)) for n in range(16)]
    issuer.bits[LIST].set([3])
    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(lambda token: verdict(verifier, token), tokens))
    assert codes == ["good"] * 3 + ["revoked"] + ["good"] * 12
    assert [issuer.count(path) for path in (JWKS, SNAPSHOT, LIST)] == [1, 1, 1]
    assert len(threads()) == 1


def test_an_event_loop_never_waits(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A task that waits for a list that does not come lets the loop go on, and tokens that need nothing pass."""
    assert verdict(verifier, issuer.token()) == "good"
    arrived = threading.Event()

    def stalls(_: socket.socket) -> None:
        arrived.set()
        issuer.released.wait()

    issuer.scripts[LIST] = stalls

    async def meanwhile() -> None:
        waiting = asyncio.create_task(verifier.averify(issuer.token(jti="t2", status=issuer.at(5))))
        await asyncio.to_thread(arrived.wait, 5)
        await verifier.averify(issuer.token(jti="t3"))
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(meanwhile())


def test_a_verifier_ends_its_thread(issuer: ScriptedIssuer, clock: Clock) -> None:
    """`close` does, and so does forgetting it; a closed one judges by what it knows."""
    token, dead = issuer.token(status=issuer.at(5)), issuer.token(jti="t2", status=issuer.at(6))
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock) as verifier:
        assert verdict(verifier, token) == "good"
        until(verifier, "live")
        issuer.revoke(6)
        eventually(lambda: verdict(verifier, dead) == "revoked")
        assert len(threads()) == 1
    assert threads() == []
    clock.advance(100)
    assert [verdict(verifier, one) for one in (token, dead)] == ["good", "revoked"]
    assert threads() == []
    verifier.close()

    forgotten = Verifier(issuer=issuer.url, audience="my-api", clock=clock)
    assert forgotten.verify(issuer.token(iat=int(clock()))).subject == "user_1"
    assert len(threads()) == 1
    gone = weakref.ref(forgotten)
    del forgotten
    gc.collect()
    assert gone() is None
    eventually(lambda: threads() == [])


def test_no_thread_to_be_had(issuer: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may start no thread goes by the stale rule."""
    start = threading.Thread.start

    def refuses(thread: threading.Thread) -> None:
        if thread.name == "gatepass-revocation":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuses)
    policy: dict[str, Any] = {"issuer": issuer.url, "audience": "my-api", "clock": clock}
    assert verdict(Verifier(**policy), issuer.token()) == "good"
    assert verdict(Verifier(stale="refuse", **policy), issuer.token()) == "revocation_stale"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_forked_follows_by_itself(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """The child keeps what was known, starts a thread of its own, and hears what is revoked then."""
    token, dead = issuer.token(status=issuer.at(5)), issuer.token(jti="t2", status=issuer.at(6))
    assert [verdict(verifier, one) for one in (token, dead)] == ["good", "good"]
    until(verifier, "live")
    issuer.revoke(6)
    eventually(lambda: verdict(verifier, dead) == "revoked")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        status = 1
        try:
            if [verdict(verifier, one) for one in (token, dead)] == ["good", "revoked"]:
                until(verifier, "live")
                os.write(writing, b"!")
                eventually(lambda: verdict(verifier, token) == "revoked")
                status = 0
        finally:
            os._exit(status)
    assert os.read(reading, 1) == b"!"
    issuer.revoke(5)
    assert os.waitpid(child, 0)[1] == 0
    eventually(lambda: verdict(verifier, token) == "revoked")
    os.close(reading)
    os.close(writing)


def test_a_full_list_holds_no_event_loop_up(issuer: ScriptedIssuer, clock: Clock) -> None:
    """While lists of a million indexes are read again and again, the loop turns; a copy is 128 KB and little more."""
    issuer.bits[LIST] = Bits.of(range(0, SIZE, 97))
    with Verifier(issuer=issuer.url, audience="my-api", revocation="list", clock=clock) as verifier:
        token = issuer.token(status=issuer.at(1), exp=int(clock()) + 3000)

        async def turn() -> float:
            await verifier.averify(token)
            longest: list[float] = []
            for _ in range(5):
                longest.append(0)
                rounds = issuer.count(LIST)
                while issuer.count(LIST) == rounds:
                    clock.advance(30)
                    began = time.perf_counter()
                    await asyncio.sleep(0.001)
                    longest[-1] = max(longest[-1], time.perf_counter() - began)
            return median(longest)

        assert asyncio.run(turn()) < 0.25  # bench/revocation_check.py measures it where nothing else runs
        follower = verifier._follower
        assert isinstance(follower, follow.Follower)
        assert sys.getsizeof(follower.revocations.known.lists.held[issuer.url + LIST].octets) < 150_000


# ── before the first token ──────────────────────────────────────────────────────────────────────────────────────────


def test_start_fetches_what_tokens_need(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Keys, snapshot and stream are there before the first token, which then waits for nothing but its list."""
    assert not verifier.health().ready
    health = verifier.start()
    assert (health.ready, health.keys_fresh) == (True, True)
    until(verifier, "live")
    asked = list(issuer.requests)
    assert verdict(verifier, issuer.token()) == "good"
    assert issuer.requests == asked


def test_astart_is_start(verifier: Verifier) -> None:
    """In an event loop the same is fetched."""
    assert asyncio.run(verifier.astart()).ready
    until(verifier, "live")


def test_several_issuers_start_at_once(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """One that does not answer keeps nobody else from being ready, and makes nothing fail."""
    with Verifier(issuer="http://127.0.0.1:9", audience="my-api", clock=clock) as dead:
        both = Verifier.any_of(dead, verifier)
        assert [health.ready for health in both.start().values()] == [False, True]
        assert [health.ready for health in asyncio.run(both.astart()).values()] == [False, True]


@pytest.mark.parametrize(("stale", "ready"), [("serve", True), ("refuse", False)])
def test_ready_falls_only_when_good_tokens_would_be_refused(
    issuer: ScriptedIssuer, clock: Clock, stale: Literal["serve", "refuse"], *, ready: bool
) -> None:
    """A quiet API stays ready for as long as its keys are good; an issuer that restarts unreadies nobody at once."""
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale=stale) as verifier:
        assert verifier.start().ready
        until(verifier, "live")
        clock.advance(400)  # nobody asked for anything: the keys are not fresh any more
        eventually(lambda: verifier.health().feed == "live" and verifier.health().ready)
        for path in (METADATA, JWKS, SNAPSHOT, STREAM):
            issuer.scripts[path] = lambda connection: connection.close()
        issuer.say(None)
        eventually(lambda: verifier.health().feed != "live")
        assert verifier.health().ready
        clock.advance(61)
        assert verifier.health().ready is ready
        assert (verdict(verifier, issuer.token()) == "good") is ready


def test_a_clock_that_is_set_back_refuses_what_it_takes_for_tokens_to_come(
    issuer: ScriptedIssuer, verifier: Verifier, clock: Clock
) -> None:
    """A token that is remembered is judged by the same times as one that is not."""
    token = issuer.token(iat=int(clock()), exp=int(clock()) + 900)
    assert verdict(verifier, token) == "good"
    clock.advance(-120)
    assert verdict(verifier, token) == "issued_in_future"
    clock.advance(120)
    assert verdict(verifier, token) == "good"


def test_a_thousand_lists_after_a_restart(issuer: ScriptedIssuer, clock: Clock, record_property: Any) -> None:  # noqa: ANN401
    """An API that starts anew, with people in a thousand lists, knows all of them in a few seconds."""
    key = Key.generate("HS256")
    lists = [f"/status/{number}" for number in range(1, 1_001)]
    issuer.bits = {path: Bits.of([5]) for path in (LIST, *lists)}
    made = issuer.status_list
    ready = {path: made(path) for path in lists}  # signing them is the issuer's affair
    issuer.status_list = lambda path=LIST, *_: ready.get(path) or made(path)  # type: ignore[method-assign]
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, keys=key, revocation="feed") as verifier:
        verifier.start()
        tokens = [issuer.token(key, jti=path, status=issuer.at(5, path)) for path in lists]
        began = time.monotonic()
        with ThreadPoolExecutor(64) as pool:
            assert set(pool.map(lambda token: verdict(verifier, token), tokens)) <= {"revoked", "good"}
            eventually(lambda: verifier.health().lists == 1_000)
            took = time.monotonic() - began
            assert set(pool.map(lambda token: verdict(verifier, token), tokens)) == {"revoked"}
        assert verifier.health().lists_missing == 0
    record_property("figures", f"a thousand lists after {took:.1f} s")


@pytest.mark.parametrize("bound", [0, 3])
def test_more_lists_than_there_is_room_for(
    issuer: ScriptedIssuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    """Each is fetched when a token names it, and the one that was not used for longest gives way: nobody passes."""
    monkeypatch.setattr(status_lists, "MAX_LISTS", bound)
    lists = [f"/status/{number}" for number in range(10)]
    issuer.bits |= {path: Bits.of([5]) for path in lists}
    for _ in range(2):
        for path in lists:
            assert verdict(verifier, issuer.token(jti=path, status=issuer.at(5, path))) == "revoked"
    assert verifier.health().lists <= max(1, bound)
