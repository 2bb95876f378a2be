"""Streams that break, stall, drip, flood or speak unusually."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.testing.feed.publishing import comment
from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection
from gatepass.testing.feed.stage import START_SECONDS, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_MOST_STREAMS = 2
_EVENT = "its event was sent"
_SILENCE = 6.0
"""A stream is doubted after 3 seconds and closed after 5; and then another has to be opened."""
_DOUBT = 4.5
"""A second one is due after 3 seconds; the rest is for timers."""
_FAST = 30.0
"""Less than the 60 seconds that clocks may differ."""


@SCENARIOS.add()
async def half_open(stage: Stage) -> None:
    """The stream is silent without being closed, as behind a dead firewall; new connections work."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    stage.freeze()
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(bad, within=_SILENCE, after="its event, which a silent stream lost", section=PageSection.STREAM)
    await stage.lives(good, live=True, within=3, why="a new stream was opened", section=PageSection.STREAM)
    if len(stage.open_lines) > _MOST_STREAMS:
        await stage.hangs_up(stage.lines[0], 3, "it was replaced", PageSection.STREAM)


@SCENARIOS.add()
async def a_second_stream(stage: Stage) -> None:
    """The stream falls silent, and a second one is opened beside it after 3 seconds, and not while heartbeats come."""
    good = stage.token("good", 1)
    await stage.begin(good)
    streams = stage.count("stream")
    await stage.pass_time(5)
    stage.at_most(0, "stream", more_than=streams, why="while heartbeats came", section=PageSection.STREAM)
    stage.write(comment("alive"))
    stage.freeze()
    first, is_beside = stage.open_lines[-1], False

    async def second() -> Answer:
        nonlocal is_beside
        is_beside = first.is_open
        stage.answer_truly("stream")
        line = stage.new_line(stage.visits[-1].last_event_id)
        return Answer(chunks=line.chunks(), headers={"content-type": "text/event-stream"})

    stage.answers["stream"] = second

    async def has_come() -> bool:
        return stage.count("stream") > streams

    await stage.until(has_come, _DOUBT, lambda: f"opened no second stream within {_DOUBT:g} s of silence",
                      PageSection.FETCHING)  # fmt: skip
    await stage.pass_time(0.5)
    if not is_beside:
        stage.complain("closed the silent stream before it opened a second one", PageSection.FETCHING)
    await stage.lives(good, live=True, within=2, why="a second stream was opened", section=PageSection.STREAM)


@SCENARIOS.add()
async def a_drip(stage: Stage) -> None:
    """The stream sends a byte at a time and never ends a message."""
    bad = stage.token("bad", 2)
    await stage.begin(bad)
    stage.freeze()
    dripping = list(stage.open_lines)

    def drip() -> None:
        for line in dripping:
            line.drip(b"x")

    stage.on_slice = drip
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(bad, within=_SILENCE, after="its event, while bytes dripped", section=PageSection.STREAM)


async def _goes_stale(stage: Stage, good: str, why: str) -> None:
    """Expect that a follower with no proof and no documents stops accepting, and comes back."""
    for kind in ("snapshot", "list"):
        stage.answer(kind, status=503)
    await stage.refuses(good, within=14, after=why, section=PageSection.CLOCKS, code="revocation_stale")
    await stage.lives(good, live=False, within=0, why=why, section=PageSection.STREAM)
    stage.answer_truly()
    stage.on_slice, stage.beats = _nothing, True
    await stage.accepts(good, within=8, though="documents and heartbeats are back", section=PageSection.FAILURE)


@SCENARIOS.add(stale="refuse", stale_after=10)
async def only_comments(stage: Stage) -> None:
    """The stream has comments that keep it open, and no heartbeat; documents are out of reach."""
    good = stage.token("good", 1)
    await stage.begin(good)
    stage.beats = False
    stage.on_slice = _each_second(stage, lambda: comment("alive"))
    await _goes_stale(stage, good, "the last heartbeat, though comments came")


@SCENARIOS.add(stale="refuse", stale_after=10)
async def a_replayed_heartbeat(stage: Stage) -> None:
    """A relay repeats the same heartbeat."""
    good = stage.token("good", 1)
    await stage.begin(good)
    old = comment(f"heartbeat {stage.feed.heartbeat()}")
    stage.beats = False
    stage.on_slice = _each_second(stage, lambda: old)
    await _goes_stale(stage, good, "the last new heartbeat, though an old one was repeated")


@SCENARIOS.add(stale="refuse", stale_after=10)
async def a_node_without_its_store(stage: Stage) -> None:
    """Heartbeats are new, and say that the node read its store long ago."""
    good = stage.token("good", 1)
    await stage.begin(good)
    read_at = stage.clock()
    stage.beats = False
    stage.on_slice = _each_second(stage, lambda: comment(f"heartbeat {stage.feed.heartbeat(as_of=read_at)}"))
    await _goes_stale(stage, good, "the issuer read its store")


@SCENARIOS.add(stale="refuse", stale_after=10)
async def a_node_without_its_store_and_with_a_fast_clock(stage: Stage) -> None:
    """The same, by a clock 30 s ahead of the follower's: `iat` - `as_of` counts on the clock that only runs."""
    good = stage.token("good", 1)
    await stage.begin(good)
    read_at = stage.clock()
    stage.beats = False

    def beat() -> bytes:
        token = stage.feed.heartbeat(as_of=read_at + _FAST, iat=round(stage.clock() + _FAST, 3))
        return comment(f"heartbeat {token}")

    stage.on_slice = _each_second(stage, beat)
    await _goes_stale(stage, good, "the issuer, whose clock is ahead, read its store")


@SCENARIOS.add(stale="refuse", stale_after=10)
async def a_heartbeat_of_the_future(stage: Stage) -> None:
    """Heartbeats claim a time that is an hour ahead, so that they would never age."""
    good = stage.token("good", 1)
    await stage.begin(good)
    ahead = stage.clock() + 3600
    stage.beats = False
    stage.on_slice = _each_second(stage, lambda: comment(f"heartbeat {stage.feed.heartbeat(as_of=ahead, iat=ahead)}"))
    await _goes_stale(stage, good, "the last heartbeat that was not of the future")


@SCENARIOS.add()
async def an_oversized_message(stage: Stage) -> None:
    """A message of the stream has no end within 512 KiB."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    (line,) = stage.open_lines[-1:]
    stage.beats = False  # which would end the message
    stage.write(b"event: revoked\ndata: " + b"x" * 600_000)
    await stage.hangs_up(line, 2, "a message of 600,000 bytes", PageSection.FAILURE)
    stage.beats = True
    await stage.connected()
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)


@SCENARIOS.add()
async def resync(stage: Stage) -> None:
    """The issuer does not have the events since the follower's position."""
    listed, named = stage.token("listed", 1), stage.token("named")
    await stage.begin(listed, named)
    stage.feed.revoke(stage.by_index(1) | {"jtis": {}})
    stage.revoke_quietly(named)
    stage.feed.log.clear()
    stage.resync()
    await stage.refuses(listed, within=2, after="a resync: the list has it", section=PageSection.STREAM)
    await stage.refuses(named, within=2, after="a resync: the snapshot has it", section=PageSection.STREAM)


@SCENARIOS.add()
async def resume(stage: Stage) -> None:
    """The stream ends, as all do; the next one goes on from the follower's position, without documents."""
    first, missed = stage.token("first", 1), stage.token("missed", 2)
    await stage.begin(first, missed)
    stage.revoke(stage.by_index(1))
    await stage.refuses(first, after=_EVENT)
    asked, streams = stage.count("snapshot"), stage.count("stream")
    stage.hang_up()
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(missed, within=2, after="the stream ended and its event was made", section=PageSection.FAILURE)
    stage.at_most(0, "snapshot", more_than=asked, why="although the stream could resume", section=PageSection.FAILURE)
    resumed = [visit for visit in stage.visits if visit.kind == "stream"][streams:]
    if not resumed or resumed[0].last_event_id != "e1:2":
        sent = resumed[0].last_event_id if resumed else ""
        stage.complain(f"resumed from {sent or 'no position'} in place of e1:2", PageSection.STREAM)


async def _is_turned_away(stage: Stage, status: int) -> None:
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    await stage.pass_time(2)
    stage.answer("stream", status=status, retry_after="3")
    streams = stage.count("stream")
    stage.hang_up()
    await stage.until_visited("stream", streams + 1, within=3)
    refused_at = stage.visits[-1].at
    stage.feed.revoke(stage.by_index(2))
    await stage.pass_time(2.4)
    if stage.count("stream") > streams + 1:
        at = [visit.at for visit in stage.visits if visit.kind == "stream"][streams + 1]
        stage.complain(f"came back {at - refused_at:.1f} s after {status} with Retry-After: 3", PageSection.FAILURE)
    await stage.refuses(bad, within=8, after="it was revoked, while only documents could be had",
                        section=PageSection.FETCHING)  # fmt: skip
    stage.answer_truly("stream")
    await stage.connected()


@SCENARIOS.add(stale_after=10)
async def too_many_streams(stage: Stage) -> None:
    """The stream answers 503 with Retry-After; documents are polled meanwhile."""
    await _is_turned_away(stage, 503)


@SCENARIOS.add(stale_after=10)
async def too_many_requests(stage: Stage) -> None:
    """The stream answers 429 with Retry-After."""
    await _is_turned_away(stage, 429)


@SCENARIOS.add(stale_after=10)
async def a_stream_of_another_media_type(stage: Stage) -> None:
    """The stream's address answers with another media type, whatever it looks like."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)

    async def page() -> Answer:
        chunks = stage.new_line(stage.visits[-1].last_event_id).chunks()
        return Answer(chunks=chunks, headers={"content-type": "text/html"})

    stage.answers["stream"] = page
    await stage.begin(good, bad, listens=False)
    await stage.until_visited("stream", 1, within=START_SECONDS)
    await stage.hangs_up(stage.lines[0], 2, "it came as text/html", PageSection.FAILURE)
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(bad, within=8, after="it was revoked, while there was no stream", section=PageSection.FETCHING)
    stage.answer_truly("stream")
    await stage.connected()


@SCENARIOS.add()
async def unusual_framing(stage: Stage) -> None:
    """A byte order mark, CRLF, comments, `retry` and unknown fields in the stream; server-sent events have them all."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    started: set[int] = set()

    def framed(octets: bytes) -> bytes:
        first = b"" if len(stage.lines) in started else b"\xef\xbb\xbf"
        started.add(len(stage.lines))
        lines = octets.replace(b": ", b":", 1) if octets.startswith(b"event") else octets
        return first + b": a comment\r\nretry: 10\r\nunknown: field\r\n" + lines.replace(b"\n", b"\r\n")

    stage.framing = framed
    await stage.begin(good, bad)
    stage.revoke(stage.by_index(2))
    await stage.refuses(bad, after=_EVENT)
    await stage.lives(good, live=True, within=3, why="heartbeats came with CRLF", section=PageSection.STREAM)


@SCENARIOS.add()
async def unknown_messages(stage: Stage) -> None:
    """The stream has messages of kinds that the page does not have."""
    bad = stage.token("bad", 1)
    await stage.begin(bad)
    asked, streams = stage.count("snapshot"), stage.count("stream")
    stage.say("later-version", '{"anything": 1}')
    stage.write(b"data: without a name\n\n")
    stage.revoke(stage.by_index(1))
    await stage.refuses(bad, after=_EVENT)
    stage.at_most(0, "snapshot", more_than=asked, why="because of an unknown message", section=PageSection.STREAM)
    stage.at_most(0, "stream", more_than=streams, why="because of an unknown message", section=PageSection.STREAM)


def _each_second(stage: Stage, make: Callable[[], bytes]) -> Callable[[], None]:
    """Write something each second."""
    written = [0.0]

    def write() -> None:
        if stage.clock() - written[0] >= 1:
            written[0] = stage.clock()
            stage.write(make())

    return write


def _nothing() -> None:
    pass
