"""The line of events, and lists that are older than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.revocation_reader import STATUS_LIST, URL, principal

from gatepass.tokens.status_list import Bits
from gatepass.verify.following import events
from gatepass.verify.following.document import MIN_TTL_SECONDS

if TYPE_CHECKING:
    import pytest
    from tests.support.revocation_reader import Reader


def test_a_list_made_before_an_event_and_fetched_after_it(live: Reader) -> None:
    """A cache in between may be half a minute behind: the events since are set again."""
    before = live.issuer.status_list()
    live.issuer.revoke(5)
    live.hear_last()
    live.take_list(before)
    assert live.verdict(principal(5)) == "revoked"
    other = principal(9, uri=URL + "/status/8")
    live.issuer.bits["/status/8"] = Bits()
    before = live.issuer.status_list("/status/8")
    live.issuer.revoke(9, path="/status/8")
    live.hear_last()  # a list that we do not hold
    assert live.documents.missing(other, live.now) == other.status.uri if other.status else None
    live.take_list(before, "/status/8")
    assert live.verdict(other) == "revoked"


def test_a_list_from_before_everything_we_remember(live: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """It adds to what we hold, and another is asked for soon, until one is young enough."""
    monkeypatch.setattr(events, "RECENT_INDEXES", 3)
    before = live.issuer.status_list()
    for idx in (1, 2, 3, 4, 5):
        live.issuer.revoke(idx)
        live.hear_last()
    live.take_list(before)
    assert [live.verdict(principal(idx)) for idx in range(7)] == ["good", *["revoked"] * 5, "good"]
    live.live_on(MIN_TTL_SECONDS)
    assert live.wants() == [STATUS_LIST]
    live.take_list()
    live.live_on(MIN_TTL_SECONDS)
    assert live.wants() == []
