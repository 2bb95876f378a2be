"""The vectors of docs/protocol/revocation.md: our own follower judges each as the file says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from gatepass.jose import KeySet
from gatepass.jose.errors import JoseError
from gatepass.tokens.published_keys import split
from gatepass.tokens.revocation_event import Position
from gatepass.verify.clocks import Moment
from gatepass.verify.following.revocations import Revocations
from gatepass.verify.following.stream import LostError
from gatepass.verify.issuer import Offer

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "docs/protocol/vectors/revocation.json").read_text())
KEYS = KeySet.from_public_jwks(json.dumps(VECTORS["jwks"]).encode())
NOW = VECTORS["now"]


def _name(case: dict[str, Any]) -> str:
    return f"{case['document']}: {case['name']}"


def _follower() -> Revocations:
    follower = Revocations(VECTORS["issuer"], mode="feed", stale="serve", stale_after=60)
    follower.known.offer = Offer(f"{VECTORS['issuer']}/revocations", f"{VECTORS['issuer']}/revocations/snapshot")
    return follower


def _bits(follower: Revocations) -> list[int]:
    octets = follower.known.lists.held[VECTORS["uri"]].octets
    return [index for index in range(8 * len(octets)) if octets[index >> 3] >> (index & 7) & 1]


def _read(follower: Revocations, case: dict[str, Any]) -> Any:  # noqa: ANN401 - one of four kinds
    token = case["token"]
    match case["document"]:
        case "status_list":
            return follower.documents.read_list(VECTORS["uri"], token, KEYS, NOW)
        case "snapshot":
            return follower.documents.read_snapshot(token, KEYS, NOW)
        case "event":
            return follower.stream.read_event(token, KEYS, NOW)
        case _:
            return follower.stream.read_heartbeat(token, KEYS, NOW)


@pytest.mark.parametrize("case", VECTORS["documents"], ids=_name)
def test_a_document_is_judged_as_the_vectors_say(case: dict[str, Any]) -> None:
    """A follower accepts the good ones, and refuses each bad one with the code in the file."""
    follower = _follower()
    follower.known.refuse_keys(VECTORS["revoked_kids"])
    try:
        _read(follower, case)
        verdict = None
    except JoseError as error:
        verdict = error.code
    assert verdict == case.get("error")
    assert case["verdict"] == ("accept" if verdict is None else "refuse")


def test_the_bits_of_the_good_list_are_those_that_the_vectors_name() -> None:
    """Index i is bit i % 8 of octet i // 8, the least significant first."""
    good = next(case for case in VECTORS["documents"] if _name(case) == "status_list: good")
    octets = _read(_follower(), good).octets
    assert [index for index in range(8 * len(octets)) if octets[index >> 3] >> (index & 7) & 1] == VECTORS["bits"]


@pytest.mark.parametrize("case", VECTORS["messages"], ids=_name)
def test_a_message_of_the_stream_means_what_the_vectors_say(case: dict[str, Any]) -> None:
    """What a signed message means depends on the follower's position only."""
    follower, now = _follower(), Moment(NOW, 1000.0)
    position = Position.parse(case["position"])
    assert position is not None
    follower.known.start_at(position)
    read, before = _read(follower, case), follower.known.by_stream
    try:
        if case["document"] == "event":
            follower.stream.hear_event(follower.stream.opened(now), read, now)
        else:
            follower.stream.hear_heartbeat(read, now)
    except LostError:
        assert follower.known.events.position is None
        assert case["verdict"] == "start over"
        return
    is_applied, is_proof = follower.known.events.position != position, follower.known.by_stream != before
    assert case["verdict"] == ("apply" if is_applied else "prove" if is_proof else "ignore")


@pytest.mark.parametrize("case", VECTORS["greetings"], ids=lambda case: case["name"])
def test_a_greeting_means_what_the_vectors_say(case: dict[str, Any]) -> None:
    """It is unsigned: it says how far there is to catch up, or that the follower starts over."""
    follower, now = _follower(), Moment(NOW, 1000.0)
    position = Position.parse(case["position"])
    assert position is not None
    follower.known.start_at(position)
    try:
        follower.stream.hear_greeting(follower.stream.opened(now), case["data"], now)
        verdict = "go on"
    except LostError:
        verdict = "start over"
    assert verdict == case["verdict"]
    assert (follower.known.events.position is None) == (verdict == "start over")


@pytest.mark.parametrize("case", VECTORS["joined"], ids=lambda case: case["name"])
def test_a_list_that_comes_after_events(case: dict[str, Any]) -> None:
    """It has the bits that the vectors name: its own, and those of the events that it does not know."""
    follower, now = _follower(), Moment(NOW, 1000.0)
    position = Position.parse(case["position"])
    assert position is not None
    follower.known.start_at(position)
    connection = follower.stream.opened(now)
    for token in case["events"]:
        follower.stream.hear_event(connection, follower.stream.read_event(token, KEYS, NOW), now)
    follower.documents.learn_list(follower.documents.read_list(VECTORS["uri"], case["list"], KEYS, NOW), now)
    assert _bits(follower) == case["bits"]


@pytest.mark.parametrize("case", VECTORS["replaced"], ids=lambda case: case["name"])
def test_a_list_that_comes_after_starting_over(case: dict[str, Any]) -> None:
    """It takes nothing back that an event has said of the list before it."""
    follower, now = _follower(), Moment(NOW, 1000.0)
    position = Position.parse(case["position"])
    assert position is not None
    follower.known.start_at(position)
    follower.documents.learn_list(follower.documents.read_list(VECTORS["uri"], case["held"], KEYS, NOW), now)
    for token in case["events"]:
        follower.stream.hear_event(follower.stream.opened(now), follower.stream.read_event(token, KEYS, NOW), now)
    follower.known.start_over()
    error = None
    try:
        follower.documents.learn_list(follower.documents.read_list(VECTORS["uri"], case["list"], KEYS, NOW), now)
    except JoseError as refused:
        error = refused.code
    assert (error, _bits(follower)) == (case.get("error"), case["bits"])


@pytest.mark.parametrize("case", VECTORS["key_sets"], ids=lambda case: case["name"])
def test_a_key_set_is_split_as_the_vectors_say(case: dict[str, Any]) -> None:
    """Keys that are marked sign documents and nothing else."""
    keys = split(KeySet.from_public_jwks(case["jwks"]), case["jwks"]["keys"])
    assert [key.kid for key in keys.documents] == case["documents"]
    assert [key.kid for key in keys.tokens] == case["tokens"]


def test_the_vectors_are_what_the_script_writes() -> None:
    """Anyone can make the file again, from keys that are digests of their names."""
    path = ROOT / "scripts/protocol_vectors.py"
    spec = importlib.util.spec_from_file_location("protocol_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.OUT.read_text() == script.text()
