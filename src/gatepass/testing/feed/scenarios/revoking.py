"""What can be revoked, with an issuer that behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.testing.feed.publishing import by_id
from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection
from gatepass.tokens.status_list import SIZE

if TYPE_CHECKING:
    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_EVENT = "its event was sent"
_OTHER = "only another token was revoked"


@SCENARIOS.add()
async def revoked_before_the_start(stage: Stage) -> None:
    """A grant in the list and a token in the snapshot were revoked before the follower started."""
    good, listed, named = stage.token("good", 1), stage.token("listed", 2), stage.token("named", 3)
    stage.feed.revoke(stage.by_index(2) | by_id([named]))
    await stage.refuses(named, within=0, after="the snapshot with its jti was published", section=PageSection.SNAPSHOT)
    await stage.refuses(listed, within=0, after="the list with its bit was published", section=PageSection.STATUS_LIST)
    await stage.begin(good)


@SCENARIOS.add()
async def by_index(stage: Stage) -> None:
    """An event sets a bit of a list; the list is not fetched again for it."""
    good, bad = stage.token("good", 1), stage.token("bad", 9)
    await stage.begin(good, bad)
    asked = stage.count("list")
    stage.revoke(stage.by_index(9))
    await stage.refuses(bad, after=_EVENT, code="revoked")
    await stage.accepts(good, though=_OTHER)
    await stage.accepts(stage.token("neighbor", 8), though=_OTHER)
    stage.at_most(0, "list", more_than=asked, why="although the event said everything", section=PageSection.FETCHING)


@SCENARIOS.add()
async def by_jti(stage: Stage) -> None:
    """An event names one token, which has no status; another without a status stays good."""
    good, bad = stage.token("good"), stage.token("bad")
    await stage.begin(good, bad)
    stage.revoke_ids(bad)
    await stage.refuses(bad, after=_EVENT, code="revoked")
    await stage.accepts(good, though=_OTHER)


@SCENARIOS.add()
async def a_whole_person(stage: Stage) -> None:
    """One event ends all sessions of a person, in two lists and by id."""
    here, there, named = stage.token("here", 3), stage.token("there", 4, number=2), stage.token("named")
    good = stage.token("good", 5, number=2)
    await stage.begin(here, there, named, good)
    status = stage.by_index(3, 7)["status"] + stage.by_index(4, 1000, number=2)["status"]
    stage.revoke({"status": status} | by_id([named]))
    for token in (here, there, named):
        await stage.refuses(token, after=_EVENT)
    await stage.accepts(good, though=_OTHER)


@SCENARIOS.add()
async def ten_thousand_at_once(stage: Stage) -> None:
    """One event has 10,000 revocations, and a list that is not held."""
    good, first, last = stage.token("good", 10_001), stage.token("first", 0), stage.token("last", 9_999)
    await stage.begin(good, first, last)
    status = stage.by_index(*range(10_000))["status"] + stage.by_index(1, number=77)["status"]
    stage.revoke({"status": status})
    await stage.refuses(first, after=_EVENT, section=PageSection.BOUNDS)
    await stage.refuses(last, after=_EVENT, section=PageSection.BOUNDS)
    await stage.accepts(good, though=_OTHER)


@SCENARIOS.add()
async def a_key(stage: Stage) -> None:
    """An event revokes a key: no token that it signed is good, and no document."""
    stolen, other = stage.feed.keys[0], stage.feed.add_key()
    bad, good = stage.token("by the stolen key"), stage.token("by the other key", 4, key=other)
    await stage.begin(bad, good)
    stage.feed.keys.reverse()  # the other one signs from here on
    stage.revoke({"kids": [stolen.kid]}, key=other)
    await stage.refuses(bad, after="its key was revoked", section=PageSection.REVOKED)
    await stage.accepts(good, though="another key signed it", section=PageSection.REVOKED)
    thiefs = stage.feed.next_event(by_id([good]), key=stolen)
    stage.say("revoked", thiefs)
    await stage.keeps(
        good, 2, accepted=True, though="believing an event by a key that was revoked", section=PageSection.DOCUMENTS
    )
    await stage.connected()
    stage.revoke_ids(good)
    await stage.refuses(good, after=_EVENT)


@SCENARIOS.add()
async def a_token_without_a_status(stage: Stage) -> None:
    """A token that names no list causes no list to be fetched."""
    good = stage.token("good")
    await stage.begin(good)
    stage.at_most(0, "list", why="that no token names", section=PageSection.FETCHING)


@SCENARIOS.add()
async def an_index_out_of_range(stage: Stage) -> None:
    """Tokens name an index that the list does not have."""
    await stage.begin(stage.token("good", SIZE - 1))
    for name, idx in (("one too far", SIZE), ("much too far", 1 << 40)):
        await stage.refuses(
            stage.token(name, idx), within=0, after="it named an index beyond the list", section=PageSection.STATUS_LIST
        )


@SCENARIOS.add()
async def a_thousand_lists(stage: Stage) -> None:
    """As many tokens name as many lists; each is fetched once, when it is needed, and then kept up to date."""
    tokens = [stage.token(f"of list {number}", 3, number=number) for number in range(1, stage.size + 1)]
    for token in tokens:
        await stage.accepts(token, within=5, though="its list is there", section=PageSection.FETCHING)
    await stage.connected()
    chosen = tokens[:: max(1, stage.size // 5)]
    numbers = range(1, stage.size + 1, max(1, stage.size // 5))
    stage.revoke({"status": [pair for number in numbers for pair in stage.by_index(3, number=number)["status"]]})
    for token in chosen:
        await stage.refuses(token, after=_EVENT)
    await stage.accepts(tokens[1], though=_OTHER)
    why = f"for {stage.size} lists"
    stage.at_most(2 * stage.size, "list", why=why, section=PageSection.FETCHING)
