"""Positions, epochs, and what is older than what the follower knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gatepass.testing.feed.publishing import by_id, comment, message
from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection
from gatepass.tokens.status_list import Bits

if TYPE_CHECKING:
    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_EVENT = "its event was sent"
_AGAIN = 3.0
"""How long starting over may take: the documents at once, and the stream after a short random wait."""
_REMEMBERED = 10_000
"""How many bits our own followers remember, and how many revocations one event may have."""


@SCENARIOS.add()
async def a_gap(stage: Stage) -> None:
    """An event is lost, and the next one says that it follows it."""
    lost, next_one = stage.token("lost", 1), stage.token("next", 2)
    await stage.begin(lost, next_one)
    stage.feed.revoke(stage.by_index(1))
    stage.revoke(stage.by_index(2))
    await stage.refuses(lost, within=_AGAIN, after="an event showed that another was lost", section=PageSection.ORDER)
    await stage.refuses(next_one, within=_AGAIN, after=_EVENT)


@SCENARIOS.add()
async def a_heartbeat_that_knows_more(stage: Stage) -> None:
    """An event is lost, and a heartbeat's `head` is beyond the follower's position."""
    lost = stage.token("lost")
    await stage.begin(lost)
    stage.feed.revoke(by_id([lost]))
    stage.write(comment(f"heartbeat {stage.feed.heartbeat()}"))
    await stage.refuses(lost, within=_AGAIN, after="a heartbeat showed that an event was lost")


@SCENARIOS.add()
async def a_duplicate(stage: Stage) -> None:
    """An event comes twice. The second is ignored: nothing is fetched for it."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    token = stage.revoke(stage.by_index(2))
    await stage.refuses(bad, after=_EVENT)
    asked = stage.count("snapshot")
    stage.say("revoked", token)
    await stage.keeps(good, 2, accepted=True, though="after an event came twice", section=PageSection.STREAM)
    stage.at_most(0, "snapshot", more_than=asked, why="because an event came twice", section=PageSection.STREAM)


@SCENARIOS.add()
async def events_out_of_order(stage: Stage) -> None:
    """An event that covers two comes before the older one, which is then known already."""
    one, two, three = (stage.token(f"event {number}", number) for number in (1, 2, 3))
    await stage.begin(one, two, three)
    feed, after = stage.feed, stage.feed.event_id
    older = feed.revoke(stage.by_index(1))
    feed.revoke(stage.by_index(2))
    both = feed.event_claims(stage.by_index(1, 2), after=after, event_id=after + 2)
    asked = stage.count("snapshot")
    stage.say("revoked", feed.sign(both, "secevent+jwt"))
    stage.say("revoked", older)
    await stage.refuses(one, after=_EVENT)
    await stage.refuses(two, after=_EVENT)
    stage.revoke(stage.by_index(3))
    await stage.refuses(three, after=_EVENT)
    stage.at_most(0, "snapshot", more_than=asked, why="because an older event came late", section=PageSection.STREAM)


@SCENARIOS.add()
async def an_overlap(stage: Stage) -> None:
    """An event's `after` is below the position: it repeats what is known, and adds to it."""
    one, two = stage.token("known", 1), stage.token("new", 2)
    await stage.begin(one, two)
    feed, after = stage.feed, stage.feed.event_id
    stage.revoke(stage.by_index(1))
    await stage.refuses(one, after=_EVENT)
    asked = stage.count("snapshot")
    feed.revoke(stage.by_index(2))
    stage.say("revoked", feed.sign(feed.event_claims(stage.by_index(1, 2), after=after, event_id=after + 2),
                                   "secevent+jwt"))  # fmt: skip
    await stage.refuses(two, after=_EVENT)
    stage.at_most(0, "snapshot", more_than=asked, why="because an event overlapped", section=PageSection.STREAM)


async def _restored(stage: Stage) -> None:
    """Continue from a backup: the last event is lost, and a new epoch says so."""
    await stage.pass_time(1)  # so that its documents are of a later second
    feed = stage.feed
    feed.epoch, feed.event_id, feed.log, feed.jtis = "e2", 1, [], {}


@SCENARIOS.add()
async def a_new_epoch(stage: Stage) -> None:
    """The issuer comes back from a backup in a new epoch; what was revoked by id stays so, and new events count."""
    old, new = stage.token("revoked before the restore"), stage.token("revoked after it", 2)
    await stage.begin(old, new)
    stage.revoke_ids(old)
    await stage.refuses(old, after=_EVENT)
    await _restored(stage)
    lines = list(stage.lines)
    stage.write(message("hello", json.dumps(stage.position)))
    for line in lines:
        await stage.hangs_up(line, _AGAIN, "a greeting of another epoch", PageSection.STREAM)
    await stage.connected()
    stage.revoke(stage.by_index(2))
    await stage.refuses(new, within=_AGAIN, after=_EVENT)
    await stage.refuses(old, within=0, after="it was revoked in the epoch before", section=PageSection.REVOKED)


@SCENARIOS.add()
async def an_event_of_another_epoch(stage: Stage) -> None:
    """The first word of a new epoch is an event."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    await _restored(stage)
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, within=_AGAIN, after="an event of a new epoch was sent", section=PageSection.STREAM)


@SCENARIOS.add()
async def an_older_epoch(stage: Stage) -> None:
    """After the move to a new epoch, caches serve documents of the old one again."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    older, snapshot = stage.feed.status_list(), stage.feed.snapshot()
    await _restored(stage)
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, within=_AGAIN, after="an event of a new epoch was sent")
    await stage.connected()
    stage.answer("list", older)
    stage.answer("snapshot", snapshot)
    stage.resync()
    await stage.keeps(bad, 4, accepted=False, though="believing an older epoch", section=PageSection.ORDER)


async def _replays(stage: Stage, older: str, bad: str, why: str) -> None:
    """Serve an older list to a follower that fetches everything anew, and then the true one again."""
    good = stage.token("good", 30)
    asked = stage.count("list")
    stage.answer("list", older)
    stage.resync()
    await stage.keeps(bad, 3, accepted=False, though=why, section=PageSection.ORDER)
    if stage.count("list") == asked:
        await stage.refuses(bad, within=0, after="a resync")
    stage.answer_truly("list")
    await stage.connected()
    await stage.accepts(good, within=2, though="nothing revoked it")
    await stage.refuses(bad, within=0, after="it was revoked", section=PageSection.ORDER)


@SCENARIOS.add()
async def a_replayed_list(stage: Stage) -> None:
    """A cache serves the list from before the last event."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    older = stage.feed.status_list()
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    stage.resync()
    await stage.pass_time(2)
    await stage.connected()
    await _replays(stage, older, bad, "believing a list of an earlier event_id")


@SCENARIOS.add()
async def a_list_with_an_earlier_iat(stage: Stage) -> None:
    """A list of the same event, but made earlier, has a bit that is 0."""
    bad = stage.token("bad", 1)
    stage.feed.revoke(stage.by_index(1))
    await stage.refuses(bad, within=0, after="its bit was published")
    stage.feed.bits[1] = Bits()
    older = stage.feed.status_list(iat=int(stage.clock()) - 60)
    stage.feed.bits[1] = Bits.of([1])
    await _replays(stage, older, bad, "believing a list of an earlier iat")


@SCENARIOS.add()
async def a_replayed_snapshot(stage: Stage) -> None:
    """A cache serves the snapshot from before the last event."""
    bad, other = stage.token("bad"), stage.token("other")
    await stage.begin(bad, other)
    older = stage.feed.snapshot()
    await stage.pass_time(1)
    stage.revoke_ids(bad)
    await stage.refuses(bad, after=_EVENT)
    stage.answer("snapshot", older)
    stage.resync()
    await stage.keeps(bad, 3, accepted=False, though="believing an older snapshot", section=PageSection.ORDER)
    stage.answer_truly("snapshot")
    await stage.connected()
    stage.revoke_ids(other)
    await stage.refuses(other, after=_EVENT)


@SCENARIOS.add()
async def a_list_behind_the_stream(stage: Stage) -> None:
    """A list is fetched after an event and was made before it: a cache had it."""
    bad = stage.token("bad", 1, number=2)
    await stage.begin(stage.token("good", 1))
    stage.answer("status/2", stage.feed.status_list(2))
    stage.revoke(stage.by_index(1, number=2))
    good = stage.token("by id")
    stage.revoke_ids(good)
    await stage.refuses(good, after=_EVENT)
    await stage.refuses(bad, within=0, after="its event, which is later than the list", section=PageSection.ORDER)


@SCENARIOS.add()
async def a_snapshot_behind_the_stream(stage: Stage) -> None:
    """The snapshot is some events old; the stream has them."""
    one, two = stage.token("by id"), stage.token("by index", 2)
    stage.answer("snapshot", stage.feed.snapshot())
    stage.feed.revoke(by_id([one]))
    stage.feed.revoke(stage.by_index(2))
    await stage.begin(stage.token("good", 3))
    await stage.refuses(one, after="the stream was opened", section=PageSection.STREAM)
    await stage.refuses(two, after="the stream was opened", section=PageSection.STREAM)
    if not any(visit.last_event_id == "e1:1" for visit in stage.visits):
        await stage.connected(0)


@SCENARIOS.add()
async def a_greeting_behind(stage: Stage) -> None:
    """A node that lags greets with a position below the follower's."""
    bad, next_one = stage.token("bad", 1), stage.token("next", 2)
    await stage.begin(bad, next_one)
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    stage.greeting = {"epoch": "e1", "event_id": stage.feed.event_id - 1}
    stage.hang_up()
    await stage.keeps(
        bad, 3, accepted=False, though="after a node that is behind greeted it", section=PageSection.STREAM
    )
    stage.greeting = None
    stage.hang_up()
    await stage.pass_time(2)
    await stage.connected()
    stage.revoke(stage.by_index(2))
    await stage.refuses(next_one, after=_EVENT)


@SCENARIOS.add()
async def a_greeting_behind_on_the_only_stream(stage: Stage) -> None:
    """The issuer has lost an event without a new epoch; it greets accordingly, and gives the number away again."""
    lost, next_one = stage.token("of the lost event", 1), stage.token("next", 2)
    await stage.begin(lost, next_one)
    stage.revoke(stage.by_index(1))
    await stage.refuses(lost, after=_EVENT)
    await stage.pass_time(1)  # so that its documents are of a later second
    stage.feed.event_id, stage.feed.log = 1, []
    stage.greeting, streams = stage.position, len(stage.lines)
    stage.hang_up()
    await stage.until_visited("stream", streams + 1, within=_AGAIN)
    await stage.hangs_up(
        stage.lines[streams], _AGAIN, "a greeting behind its position, on its only stream", PageSection.STREAM
    )
    await stage.connected()
    stage.revoke(stage.by_index(2))
    await stage.refuses(next_one, within=_AGAIN, after="an event with the number of a lost one was sent")
    await stage.refuses(lost, within=0, after="it was revoked", section=PageSection.REVOKED)


@SCENARIOS.add()
async def a_greeting_behind_beside_another(stage: Stage) -> None:
    """A second stream, opened beside a silent one, greets with a position behind: it alone is closed."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    asked, streams = stage.count("snapshot"), len(stage.lines)
    stage.greeting = {"epoch": "e1", "event_id": stage.feed.event_id - 1}
    stage.freeze()
    await stage.until_visited("stream", streams + 1, within=4.5)
    await stage.hangs_up(stage.lines[streams], 1, "a greeting behind its position", PageSection.STREAM)
    stage.at_most(0, "snapshot", more_than=asked, why="for a greeting that is only behind", section=PageSection.STREAM)
    stage.greeting = None
    await stage.pass_time(3)
    await stage.connected()


async def _keeps_its_position(stage: Stage, position: str) -> None:
    """Bring another snapshot while there is no stream, and see from where the next one is opened."""
    await stage.until_visited("snapshot", stage.count("snapshot") + 1, within=8)
    await stage.pass_time(1)
    streams = stage.count("stream")
    stage.answer_truly("stream")
    await stage.until_visited("stream", streams + 1, within=5)
    resumed = [visit.last_event_id for visit in stage.visits if visit.kind == "stream"][streams]
    if resumed != position:
        stage.complain(
            f"opened the stream from {resumed or 'no position'} in place of {position}, after another snapshot",
            PageSection.STREAM,
        )


@SCENARIOS.add(stale_after=20)
async def a_snapshot_ahead_of_the_stream(stage: Stage) -> None:
    """A later snapshot of the same epoch does not move the position: lists would lack the bits that were skipped."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    stage.answer("stream", status=503)
    stage.answer("list", status=500)  # only the stream has the bit
    stage.hang_up()
    stage.feed.revoke(stage.by_index(1))
    await _keeps_its_position(stage, "e1:1")
    await stage.refuses(bad, after="the stream with its event was opened")


@SCENARIOS.add(stale_after=20)
async def a_cached_snapshot(stage: Stage) -> None:
    """A cache has the snapshot that the follower began with; its position does not go back to that."""
    bad = stage.token("bad", 1)
    stage.answer("snapshot", stage.feed.snapshot())
    await stage.begin(bad)
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    stage.answer("stream", status=503)
    stage.hang_up()
    await _keeps_its_position(stage, "e1:2")


@SCENARIOS.add()
async def a_cached_list_after_starting_over(stage: Stage) -> None:
    """The follower starts over, and a cache has the list from before an event: its own bits are added to that."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    stage.answer("list", stage.feed.status_list())
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    asked = stage.count("list")
    stage.resync()
    await stage.until_visited("list", asked + 1, within=_AGAIN)
    await stage.keeps(
        bad, 3, accepted=False, though="whose bit an older list took back after a resync", section=PageSection.ORDER
    )
    await stage.connected()


async def _gets_cached_list(stage: Stage, *, more: int = 0) -> None:
    """Revoke the key of a list, so that any list replaces it, and have one in a cache that lacks events."""
    stolen, other = stage.feed.keys[0], stage.feed.add_key()
    bad, last = stage.token("bad", 1, key=other), stage.token("last of many", 1 + more, key=other)
    await stage.begin(bad, last)
    stage.feed.keys.reverse()  # the other one signs from here on
    stage.answer("list", stage.feed.status_list())
    for event in (stage.by_index(1), *([stage.by_index(*range(2, 2 + more))] if more else ())):
        stage.revoke(event)
    await stage.refuses(last, after=_EVENT)
    asked = stage.count("list")
    stage.revoke({"kids": [stolen.kid]})
    await stage.until_visited("list", asked + 1, within=_AGAIN)
    for token in (bad, last):
        why = "whose bit a list took back that is older than its event"
        await stage.keeps(token, 2, accepted=False, though=why, section=PageSection.ORDER)


@SCENARIOS.add()
async def a_cached_list_for_that_of_a_stolen_key(stage: Stage) -> None:
    """The list's key is revoked, and the one in its place is older than an event, whose bits are set in it again."""
    await _gets_cached_list(stage)


@SCENARIOS.add()
async def more_bits_than_are_remembered(stage: Stage) -> None:
    """The same after events with more bits than followers have to remember: the bits of the old list are added."""
    await _gets_cached_list(stage, more=_REMEMBERED)
