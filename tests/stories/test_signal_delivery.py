"""Shared Signals: what a receiver is told, by polls and by pushes to a real HTTP server, on every database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN
from tests.support.signal_receiver import PUSH, add_receiver, members, short
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.domain.shared_signals.push import PAUSES

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer, SettableClock
    from tests.support.signal_receiver import SignalReceiver

HEARS = "/events"


@pytest.fixture
def receiver(server: RunningServer, api: httpx.Client) -> SignalReceiver:
    """A receiver, at which Ann has an account."""
    assert api.post("/signup", json=ANN).status_code == 201
    return add_receiver(server, api)


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """The receiver's own server, which takes every token."""
    with ScriptedSite() as site:
        site.put(HEARS, b"", status=202)
        yield site


def named(tokens: dict[str, Any]) -> dict[str, Any]:
    """The claims of an ID token."""
    return dict(jwt.peek(tokens["id_token"]).claims)


def bearer(api: httpx.Client) -> dict[str, str]:
    """A sign-in of Ann's at the server itself."""
    return {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}


def waiting(receiver: SignalReceiver) -> int:
    """How many tokens wait in all streams."""
    count: int = receiver.party.read("SELECT COUNT(*) FROM signals")
    return count


def test_a_sign_out_is_told_by_the_names_of_the_id_token(
    server: RunningServer, receiver: SignalReceiver, clock: SettableClock
) -> None:
    """CAEP session-revoked, once for each sign-in at the client, with a reason; until it is acknowledged."""
    stream_id = receiver.stream()
    known = named(receiver.party.sign_in(receiver.api))
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    first = receiver.fetch(stream_id)["sets"]
    [(kind, claims)] = receiver.told(stream_id)
    assert [receiver.verified(token) for token in first.values()] == [claims]
    assert kind == "session-revoked"
    assert claims["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": server.url, "sub": known["sub"]},
        "session": {"format": "opaque", "id": known["sid"]},
    }
    assert (claims["iat"], claims["toe"]) == (int(clock()), int(clock()))
    assert claims["txn"]
    assert members(claims) == {
        "event_timestamp": int(clock()),
        "initiating_entity": "user",
        "reason_admin": {"en": "The user signed out everywhere"},
    }
    assert receiver.fetch(stream_id) == {"sets": {}}


def test_a_paused_stream_holds_and_a_disabled_one_drops(receiver: SignalReceiver) -> None:
    """SSF §8.1.2: what happens while it is paused is told when it is enabled; while it is disabled, never."""
    stream_id = receiver.stream()

    def sign_in_and_out() -> None:
        receiver.party.sign_in(receiver.api)
        receiver.api.post("/logout/all", headers=bearer(receiver.api))

    def set_status(status: str) -> None:
        answer = receiver.call("POST", "/ssf/status", {"stream_id": stream_id, "status": status, "reason": "work"})
        assert answer.json() == {"stream_id": stream_id, "status": status, "reason": "work"}
        assert receiver.call("GET", "/ssf/status", stream_id=stream_id).json() == answer.json()

    set_status("paused")
    sign_in_and_out()
    assert receiver.fetch(stream_id) == {"sets": {}}
    set_status("enabled")
    assert [kind for kind, _ in receiver.told(stream_id)] == ["session-revoked"]
    sign_in_and_out()
    set_status("disabled")
    sign_in_and_out()
    refused = receiver.call("POST", "/ssf/verification", {"stream_id": stream_id})
    assert (refused.status_code, refused.json()["code"]) == (400, "stream_disabled")
    set_status("enabled")
    assert receiver.fetch(stream_id) == {"sets": {}}


def test_a_poll_waits_for_what_happens(receiver: SignalReceiver) -> None:
    """RFC 8936 §2.4: without `returnImmediately` the answer comes when there is something to tell."""
    stream_id = receiver.stream()
    receiver.party.sign_in(receiver.api)
    headers = receiver.bearer()
    found: list[dict[str, Any]] = []

    def wait() -> None:
        with receiver.party.server.client() as waiting:
            found.append(waiting.post(f"/ssf/poll/{stream_id}", json={}, headers=headers).json())

    thread = threading.Thread(target=wait)
    thread.start()
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    thread.join(10)
    [answer] = found
    assert len(answer["sets"]) == 1


def test_pages_come_until_there_is_no_more(receiver: SignalReceiver) -> None:
    """RFC 8936 §2.3: `maxEvents` bounds an answer, and `moreAvailable` says that there are others."""
    stream_id = receiver.stream()
    for _ in range(3):
        receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    first = receiver.fetch(stream_id, maxEvents=2)
    assert (len(first["sets"]), first["moreAvailable"]) == (2, True)
    second = receiver.fetch(stream_id, maxEvents=2, ack=list(first["sets"]))
    assert len(second["sets"]) == 1
    assert "moreAvailable" not in second
    assert second["sets"].keys().isdisjoint(first["sets"])


def test_a_push_brings_the_token_with_the_header_and_tries_again(
    receiver: SignalReceiver, site: ScriptedSite, clock: SettableClock
) -> None:
    """RFC 8935 §2: one token as the body; a receiver that fails gets the same one later, and 202 ends it."""
    site.put(HEARS, b"", status=503)
    stream_id = receiver.stream(
        method=PUSH, endpoint_url=site.url + HEARS, authorization_header="Bearer of the receiver"
    )
    shown = receiver.call("GET", "/ssf/streams", stream_id=stream_id)
    assert shown.json()["delivery"] == {"method": PUSH, "endpoint_url": site.url + HEARS}
    receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    eventually(lambda: receiver.party.read("SELECT due_at FROM signals") == clock() + PAUSES[0])
    site.put(HEARS, b"", status=202)
    clock.advance(PAUSES[0])
    eventually(lambda: len(site.asked) == 2)
    first, second = site.asked
    assert second.headers["content-type"] == "application/secevent+jwt"
    assert second.headers["accept"] == "application/json"
    assert second.headers["authorization"] == "Bearer of the receiver"
    claims = receiver.verified(second.body.decode())
    assert receiver.verified(first.body.decode()) == claims
    assert short(claims) == "session-revoked"
    eventually(lambda: waiting(receiver) == 0)


@pytest.mark.parametrize(("status", "left"), [("disabled", 0), ("paused", 1)])
def test_what_is_due_in_a_stream_that_stopped_is_not_pushed(
    receiver: SignalReceiver, site: ScriptedSite, clock: SettableClock, status: str, left: int
) -> None:
    """As what another unit queues at the moment when the stream is stopped: it is dropped, or waits (SSF §8.1.2)."""
    site.put(HEARS, b"", status=503)
    receiver.stream(method=PUSH, endpoint_url=site.url + HEARS)
    receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    eventually(lambda: receiver.party.read("SELECT due_at FROM signals") == clock() + PAUSES[0])
    receiver.party.write("UPDATE signal_streams SET status = ?1", status)
    clock.advance(PAUSES[0])
    eventually(lambda: receiver.party.read("SELECT COUNT(*) FROM signals WHERE tries < 2") == 0)
    eventually(lambda: waiting(receiver) == left)
    assert len(site.asked) == 1


def test_a_refusal_is_final_and_recorded(
    receiver: SignalReceiver, site: ScriptedSite, capsys: pytest.CaptureFixture[str]
) -> None:
    """RFC 8935 §2.3: 400 with `invalid_key` is never tried again; one that did not authenticate us is."""
    site.put(HEARS, {"err": "invalid_key", "description": "a secret of the network"}, status=400)
    receiver.stream(method=PUSH, endpoint_url=site.url + HEARS)
    receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    eventually(lambda: waiting(receiver) == 0)
    capsys.readouterr()
    main(["events", "export", *receiver.party.server.place])
    log = capsys.readouterr().out
    assert "signal_not_taken" in log
    assert "session-revoked invalid_key" in log
    assert "a secret of the network" not in log
    site.put(HEARS, {"err": "authentication_failed"}, status=400)
    receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    eventually(lambda: len(site.asked) == 2)
    eventually(lambda: receiver.party.read("SELECT due_at FROM signals") == receiver.party.server.clock() + PAUSES[0])


def test_a_stream_moves_between_push_and_poll(receiver: SignalReceiver, site: ScriptedSite) -> None:
    """What waits is told in the new way; what was read and is sent back keeps the header, for the same URL only."""
    stream_id = receiver.stream()
    receiver.party.sign_in(receiver.api)
    receiver.api.post("/logout/all", headers=bearer(receiver.api))
    assert len(receiver.fetch(stream_id)["sets"]) == 1
    push = {"method": PUSH, "endpoint_url": site.url + HEARS, "authorization_header": "Bearer secret"}
    receiver.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "paused"})
    shown = receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "delivery": push}).json()
    assert receiver.call("PUT", "/ssf/streams", shown).json() == shown
    assert site.asked == []
    receiver.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "enabled"})
    eventually(lambda: len(site.asked) == 1)
    assert site.asked[0].headers["authorization"] == "Bearer secret"
    assert receiver.call("POST", f"/ssf/poll/{stream_id}", {}).status_code == 404
    site.put("/elsewhere", b"", status=202)
    moved = {"method": PUSH, "endpoint_url": site.url + "/elsewhere"}
    receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "delivery": moved})
    receiver.call("POST", "/ssf/verification", {"stream_id": stream_id})
    eventually(lambda: len(site.asked) == 2)
    assert "authorization" not in site.asked[1].headers


def test_text_that_no_database_takes_is_refused_or_names_nothing(receiver: SignalReceiver) -> None:
    """A NUL in what a receiver says is a bad request, and in the name of a token one that is not there."""
    stream_id, nul = receiver.stream(), "a\x00b"
    named = {"stream_id": stream_id}
    subject = {"format": "iss_sub", "iss": receiver.party.server.url, "sub": nul}
    refused = [
        receiver.call("PATCH", "/ssf/streams", named | {"description": nul}),
        receiver.call("POST", "/ssf/status", named | {"status": "paused", "reason": nul}),
        receiver.call("POST", "/ssf/verification", named | {"state": nul}),
        receiver.call("POST", "/ssf/subjects/remove", named | {"subject": subject}),
        receiver.call("GET", "/ssf/streams", stream_id=nul),
    ]
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(400, "invalid_stream")}
    assert receiver.call("POST", "/ssf/status", {"stream_id": nul, "status": "paused"}).status_code == 404
    assert receiver.call("POST", "/ssf/poll/a%00b", {"returnImmediately": True}).status_code == 404
    assert receiver.fetch(stream_id, ack=[nul], setErrs={nul: {"err": "invalid_key"}}) == {"sets": {}}
    kept = receiver.call("PATCH", "/ssf/streams", named | {"events_requested": [nul]})
    assert kept.json()["events_requested"] == [nul]
