"""When a document is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.revocation_reader import SNAPSHOT, STATUS_LIST

from gatepass.verify.clocks import Moment
from gatepass.verify.following.document import Document

if TYPE_CHECKING:
    from tests.support.revocation_reader import Reader


def test_a_document_is_fetched_again_whatever_the_clock_does(live: Reader) -> None:
    """Set back by an hour, and the next fetch comes when it would have come."""
    live.close()
    live.take_snapshot()
    live.take_list()
    live.set_clock(-3600)
    assert live.wants() == []
    live.advance(30)
    assert live.wants() == [SNAPSHOT, STATUS_LIST]


def test_a_document_knows_when_it_is_due() -> None:
    """Fresh, old by either clock, and failed."""
    document = Document("u")
    assert document.is_due(Moment(0, 0), 30)
    document.came(epoch=None, event_id=0, iat=0, kid="k", now=Moment(100, 100))
    moments = [(100, 100), (129.9, 129.9), (130, 130), (10, 130), (130, 101), (10, 101)]
    assert [document.is_due(Moment(*at), 30) for at in moments] == [False, False, True, True, True, False]
    document.trouble.failed(Moment(130, 130), 1.0)
    moments = [(130, 130), (130.4, 130.4), (130.5, 130.5), (0, 130.5)]
    assert [document.is_due(Moment(*at), 30) for at in moments] == [False, False, True, True]
