"""The chapters together, in a process that forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.revocation_reader import SNAPSHOT, STATUS_LIST, URI, principal

if TYPE_CHECKING:
    from tests.support.revocation_reader import Reader


def test_a_process_that_forked_asks_again(live: Reader) -> None:
    """It keeps what it knows, waits for the documents as at the first start, and listens itself."""
    live.issuer.revoke(1)
    live.hear_last()
    live.revocations.restart()
    assert live.verdict(principal(1)) == "revoked"
    assert not live.clears(principal(5))
    assert live.documents.missing(principal(5), live.now) == SNAPSHOT.url
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    live.take_snapshot()
    assert live.documents.missing(principal(5), live.now) == URI
    live.take_list()
    live.connect()
    assert live.verdict(principal(5)) == "good"
    assert live.clears(principal(5))
