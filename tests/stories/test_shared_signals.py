"""Shared Signals: how a receiver finds the transmitter and manages its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN
from tests.support.signal_receiver import CAEP, EVERYTHING, POLL, PUSH, add_receiver, members

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer, SettableClock
    from tests.support.signal_receiver import SignalReceiver


@pytest.fixture
def receiver(server: RunningServer, api: httpx.Client) -> SignalReceiver:
    """A receiver, at which Ann has an account."""
    assert api.post("/signup", json=ANN).status_code == 201
    return add_receiver(server, api)


def test_a_receiver_finds_makes_reads_changes_and_removes_a_stream(
    server: RunningServer, receiver: SignalReceiver
) -> None:
    """The metadata leads to the calls of SSF §8.1.1, and each answers with the whole stream."""
    api = receiver.api
    metadata = api.get("/.well-known/ssf-configuration").json()
    assert metadata["issuer"] == server.url
    assert metadata["spec_version"] == "1_0"
    assert metadata["delivery_methods_supported"] == [PUSH, POLL]
    assert metadata["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6749"}]
    assert metadata["default_subjects"] == "ALL"
    wanted = {"events_requested": [CAEP + "session-revoked", "https://example.com/unknown"], "description": "mine"}
    made = receiver.call("POST", "/ssf/streams", wanted)
    assert made.status_code == 201
    stream = made.json()
    assert stream == {
        "stream_id": stream["stream_id"],
        "iss": server.url,
        "aud": receiver.party.id,
        "delivery": {"method": POLL, "endpoint_url": f"{server.url}/ssf/poll/{stream['stream_id']}"},
        "events_supported": list(EVERYTHING),
        "events_requested": wanted["events_requested"],
        "events_delivered": [CAEP + "session-revoked"],
        "min_verification_interval": 60,
        "description": "mine",
    }
    stream_id = stream["stream_id"]
    assert receiver.call("GET", "/ssf/streams", stream_id=stream_id).json() == stream
    assert receiver.call("GET", "/ssf/streams").json() == [stream]
    changed = receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "description": "x" * 300})
    assert changed.json() == stream | {"description": "x" * 256}
    replaced = receiver.call("PUT", "/ssf/streams", stream | {"events_requested": [], "description": "ours"})
    assert replaced.json() == stream | {"events_requested": [], "events_delivered": [], "description": "ours"}
    assert receiver.call("DELETE", "/ssf/streams", stream_id=stream_id).status_code == 204
    assert receiver.call("DELETE", "/ssf/streams", stream_id=stream_id).status_code == 404
    assert receiver.call("GET", "/ssf/streams").json() == []


def test_what_cannot_be_is_refused_with_400(receiver: SignalReceiver) -> None:
    """SSF §8.1: a body that cannot be read, and what only the transmitter supplies, is a bad request."""
    stream_id = receiver.stream()
    refused = [
        receiver.call("POST", "/ssf/streams", {"events_requested": "all"}),
        receiver.call("POST", "/ssf/streams", {"delivery": {"method": "urn:example:carrier-pigeon"}}),
        receiver.call("PATCH", "/ssf/streams", {"description": "whose?"}),
        receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "aud": "https://other.example"}),
        receiver.call("PATCH", "/ssf/streams", {"stream_id": stream_id, "events_delivered": []}),
        receiver.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "asleep"}),
        receiver.call("GET", "/ssf/status"),
        receiver.call("POST", "/ssf/subjects/add", {"stream_id": stream_id, "subject": {"format": "did", "url": "x"}}),
    ]
    assert {(each.status_code, each.json()["code"]) for each in refused} == {(400, "invalid_stream")}


def test_a_verification_repeats_the_state_and_is_not_asked_for_too_often(
    receiver: SignalReceiver, clock: SettableClock
) -> None:
    """SSF §8.1.4: the stream is the subject; the second request within the interval is 429."""
    stream_id = receiver.stream(events=())
    asked = {"stream_id": stream_id, "state": "VGhpcyBpcyBh"}
    assert receiver.call("POST", "/ssf/verification", asked).status_code == 204
    [(kind, claims)] = receiver.told(stream_id)
    assert kind == "verification"
    assert claims["sub_id"] == {"format": "opaque", "id": stream_id}
    assert members(claims) == {"state": "VGhpcyBpcyBh"}
    soon = receiver.call("POST", "/ssf/verification", asked)
    assert (soon.status_code, soon.json()["code"]) == (429, "verification_too_soon")
    assert 0 < int(soon.headers["retry-after"]) <= 61
    clock.advance(60)
    assert receiver.call("POST", "/ssf/verification", {"stream_id": stream_id}).status_code == 204
    [(_, claims)] = receiver.told(stream_id)
    assert members(claims) == {}
