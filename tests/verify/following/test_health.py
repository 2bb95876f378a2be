"""How up to date a reader says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.revocation_reader import principal

if TYPE_CHECKING:
    from tests.support.revocation_reader import Reader


def test_a_list_elsewhere_shows_in_health(live: Reader) -> None:
    """A token that names a list which is never fetched is judged by the rule, and the state is not `live`."""
    live.documents.missing(principal(5, uri="https://elsewhere.example/status/1"), live.now)
    assert (live.feed(), live.health.lists_missing) == ("stale", 1)
