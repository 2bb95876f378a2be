"""The lists that tokens name: whose, how many, and which are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.revocation_reader import OFFER, URL, principal

from gatepass.tokens.status_list import Bits
from gatepass.verify.following import status_lists
from gatepass.verify.following.documents import Want
from gatepass.verify.issuer import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.revocation_reader import Reader

    from gatepass.verify.principal import Principal


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/status/7",
        "http://auth.example.com/status/7",
        "https://auth.example.com:8443/status/7",
        "https://auth.example.com.evil.example/status/7",
        "https://user@auth.example.com/status/7",
        "https://auth.example.com\\@evil.example/status/7",
        "https://auth.example.com/status/7#x",
        "file:///etc/passwd",
        "//auth.example.com/status/7",
        "/status/7",
        "",
        "https://[::1",
    ],
)
def test_a_list_elsewhere_is_never_asked_for(reader: Reader, uri: str) -> None:
    """Only the issuer's own origin is: scheme, host and port. The stale rule decides about the token."""
    reader.documents.learn_offer(OFFER)
    reader.take_snapshot()
    assert reader.documents.missing(principal(5, uri=uri), reader.now) is None
    assert reader.wants() == []


def test_a_port_may_be_written_out(reader: Reader) -> None:
    """The default port is the same origin."""
    reader.documents.learn_offer(Offer())
    assert reader.documents.missing(principal(5, uri="https://auth.example.com:443/status/7"), reader.now)


def _names(numbers: Iterable[int]) -> list[Principal]:
    return [principal(5, uri=f"{URL}/status/{number}") for number in numbers]


def test_a_flood_of_unknown_lists_is_a_bounded_number_of_fetches(reader: Reader) -> None:
    """A burst, and then a hundred a second; and no more than there is room for."""
    reader.documents.learn_offer(Offer())
    for token in _names(range(3_000)):
        reader.documents.missing(token, reader.now)
    assert len(reader.wants()) == status_lists.BURST
    reader.advance(1)
    for token in _names(range(3_000, 6_000)):
        reader.documents.missing(token, reader.now)
    assert len(reader.wants()) == status_lists.MAX_LISTS
    assert not {f"{URL}/status/{number}" for number in (0, 50, 99)} & {want.url for want in reader.wants()}


def test_room_is_made_by_forgetting(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that cannot be had go first, then those that no token has named for longest; the others stay."""
    monkeypatch.setattr(status_lists, "MAX_LISTS", 3)
    reader.documents.learn_offer(OFFER)
    reader.take_snapshot()
    one, two, three, four, five = _names(range(1, 6))
    for token in (one, two, three):
        assert reader.documents.missing(token, reader.now)
        reader.advance(1)
    reader.documents.fail(Want(URL + "/status/1", is_list=True), reader.now)
    assert reader.documents.missing(four, reader.now)
    for number in (2, 3, 4):
        reader.issuer.bits[f"/status/{number}"] = Bits()
        reader.take_list(path=f"/status/{number}")
    reader.advance(1)
    assert reader.verdict(two) == "good"  # named again
    assert reader.documents.missing(five, reader.now)
    assert set(reader.known.lists.held) == {URL + "/status/2", URL + "/status/4"}


def test_a_list_that_is_not_held_is_no_live_one(live: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the bound is, the list that a token names is fetched; until it is there, health says so."""
    monkeypatch.setattr(status_lists, "MAX_LISTS", 0)
    live.issuer.bits["/status/8"] = Bits.of([9])
    token = principal(9, uri=URL + "/status/8")
    assert live.documents.missing(token, live.now) == URL + "/status/8"
    assert (live.feed(), live.health.lists_missing) == ("stale", 2)  # the other had to give way
    live.documents.fail(Want(URL + "/status/8", is_list=True), live.now)
    assert live.feed() == "stale"
    live.take_list(path="/status/8")
    assert live.verdict(token) == "revoked"
    live.live_on(status_lists.USED_SECONDS)
    assert (live.feed(), live.health.lists_missing) == ("live", 0)
