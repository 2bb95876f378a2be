"""Lists, snapshots and key sets that are bad, big, slow or not there."""

from __future__ import annotations

import asyncio
import zlib
from functools import cache
from typing import TYPE_CHECKING

from gatepass.jose import base64url
from gatepass.testing.feed.publishing import by_id
from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection
from gatepass.testing.feed.stage import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_WAIT_SECONDS = 4.0
"""A token waits for 2 seconds at most for what was never there; and a slow machine."""
_TOO_MUCH = 64 << 20
_OUTAGE_STREAMS = 20


async def _refuses_list(stage: Stage, bad: str, why: str, section: PageSection = PageSection.STATUS_LIST) -> None:
    """Serve a bad list to a follower that may not guess, and then the good one."""
    token = stage.token("good", 1)
    stage.answer("list", bad)
    await stage.keeps(token, 2, accepted=False, though=f"going by a list {why}", section=section)
    stage.answer_truly("list")
    await stage.accepts(token, within=4, though="a good list is there now", section=PageSection.FAILURE)


@SCENARIOS.add(stale="refuse", stale_after=20)
async def an_expired_list(stage: Stage) -> None:
    """The list's `exp` is over."""
    now = int(stage.clock())
    await _refuses_list(stage, stage.feed.status_list(iat=now - 100, exp=now - 50), "whose exp is over")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_of_another_issuer(stage: Stage) -> None:
    """The list's `iss` is another one."""
    await _refuses_list(stage, stage.feed.status_list(iss="https://evil.example.com"), "of another issuer")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_for_another_url(stage: Stage) -> None:
    """The list's `sub` is the URL of another list, of the same issuer."""
    await _refuses_list(stage, stage.feed.status_list(sub=stage.feed.list_url(2)), "for another URL")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_of_the_future(stage: Stage) -> None:
    """The list's `iat` is an hour ahead: no true one would ever replace it."""
    ahead = int(stage.clock()) + 3600
    await _refuses_list(stage, stage.feed.status_list(iat=ahead, exp=ahead + 60), "of the future")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_snapshot_as_a_list(stage: Stage) -> None:
    """What is served as the list is a document of another kind, with the members of a list."""
    feed = stage.feed
    claims = {
        "sub": feed.list_url(1),
        "iat": int(stage.clock()),
        "status_list": {"bits": 1, "lst": _lst(bytes(131_072))},
    }
    await _refuses_list(
        stage, feed.sign(claims, "revocations+jwt"), "that was signed as a snapshot", PageSection.DOCUMENTS
    )


@SCENARIOS.add(stale="refuse", stale_after=20)
async def an_inflated_list(stage: Stage) -> None:
    """A small list inflates to 64 MB."""
    bomb = stage.feed.status_list(status_list={"bits": 1, "lst": _bomb()})
    await _refuses_list(stage, bomb, "that inflates to 64 MB")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_that_is_too_short(stage: Stage) -> None:
    """A list with an epoch has 16 octets."""
    short = stage.feed.status_list(status_list={"bits": 1, "lst": _lst(bytes(16))})
    await _refuses_list(stage, short, "of 16 octets, though it has an epoch")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_that_is_not_compressed(stage: Stage) -> None:
    """The list's bits are neither base64url nor in ZLIB's format."""
    for lst, why in (("*not base64url*", "that is not base64url"), ("AAAA", "that is not in ZLIB's format")):
        bad = stage.feed.status_list(status_list={"bits": 1, "lst": lst})
        stage.answer("list", bad)
        await stage.keeps(stage.token("good", 1), 1, accepted=False, though=f"going by a list {why}",
                          section=PageSection.STATUS_LIST)  # fmt: skip
    await _refuses_list(stage, "<html>not a token</html>", "that is no token", PageSection.DOCUMENTS)


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_of_two_bits(stage: Stage) -> None:
    """The list has statuses of two bits."""
    lst = _lst(bytes(131_072))
    await _refuses_list(stage, stage.feed.status_list(status_list={"bits": 2, "lst": lst}), "of two-bit statuses")


@SCENARIOS.add(stale="refuse", stale_after=20)
async def an_endless_list(stage: Stage) -> None:
    """The list never ends."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 2 * _TOO_MUCH and not stage.released.is_set():
            sent += 1 << 18
            yield b"A" * (1 << 18)
            await asyncio.sleep(0.001)

    async def answer() -> Answer:
        return Answer(chunks=endless())

    stage.answers["list"] = answer
    token = stage.token("good", 1)
    await stage.keeps(token, 1, accepted=False, though="going by half of a list", section=PageSection.BOUNDS)
    if sent > _TOO_MUCH:
        stage.complain(f"read {sent >> 20} MB of a list that had no end", PageSection.BOUNDS)
    stage.answer_truly("list")
    await stage.accepts(token, within=6, though="a good list is there now", section=PageSection.FAILURE)


@SCENARIOS.add()
async def a_slow_list(stage: Stage) -> None:
    """The list does not answer. Its tokens wait a little, and others do not."""
    other = stage.token("other")
    await stage.begin(other)

    async def never() -> Answer:
        await stage.released.wait()
        return Answer(status=503)

    stage.answers["list"] = never
    for name, token in (("of a slow list", stage.token("slow", 1)), ("of no list", other)):
        heard = await stage.accepts(token, though="nothing revoked it, and stale tokens are served")
        if heard.seconds > _WAIT_SECONDS:
            stage.complain(f"let a token {name} wait {heard.seconds:.1f} s", PageSection.FAILURE)


@SCENARIOS.add()
async def a_list_that_does_not_exist(stage: Stage) -> None:
    """The list answers 404: it is left alone for half a minute."""
    token = stage.token("of no list", 1)
    await stage.begin(stage.token("other"))
    stage.answer("list", status=404)
    await stage.accepts(token, within=3, though="nothing revoked it, and stale tokens are served")
    asked = stage.count("list")
    await stage.keeps(token, 8, accepted=True, though="though nothing revoked it", section=PageSection.FAILURE)
    stage.at_most(0, "list", more_than=asked, why="within 8 s of a 404", section=PageSection.FAILURE)


@SCENARIOS.add()
async def a_list_that_fails(stage: Stage) -> None:
    """The list answers 500, and comes back with the token's bit set."""
    token = stage.token("bad", 1)
    await stage.begin(stage.token("other"))
    stage.feed.revoke(stage.by_index(1))
    stage.feed.log.clear()
    stage.answer("list", status=500)
    await stage.accepts(token, within=3, though="stale tokens are served", section=PageSection.FAILURE)
    await stage.pass_time(5)
    stage.answer_truly("list")
    await stage.refuses(token, within=3, after="its list came back", section=PageSection.FAILURE)


@SCENARIOS.add()
async def a_snapshot_that_fails(stage: Stage) -> None:
    """The snapshot answers 503 at the start: no stream is opened without it, and it is asked for again."""
    bad, good = stage.token("bad"), stage.token("good")
    stage.feed.revoke(by_id([bad]))
    stage.answer("snapshot", status=503)
    heard = await stage.accepts(good, within=4, though="stale tokens are served", section=PageSection.FAILURE)
    if heard.seconds > _WAIT_SECONDS:
        stage.complain(f"let a token wait {heard.seconds:.1f} s for the snapshot", PageSection.FAILURE)
    await stage.pass_time(4)
    stage.at_most(0, "stream", why="without a snapshot", section=PageSection.STREAM)
    stage.answer_truly("snapshot")
    await stage.refuses(bad, within=3, after="the snapshot came back", section=PageSection.FAILURE)
    await stage.connected()


@SCENARIOS.add()
async def keys_that_fail(stage: Stage) -> None:
    """The key set answers 500 at the start: no token is accepted unverified, and the set is asked for again."""
    token = stage.token("good")
    stage.answer("jwks", status=500)
    await stage.keeps(token, 2, accepted=False, though="without the issuer's keys", section=PageSection.DOCUMENTS)
    stage.answer_truly("jwks")
    await stage.accepts(token, within=20, though="the keys are there now", section=PageSection.FAILURE)
    await stage.connected()


@SCENARIOS.add()
async def everything_is_down(stage: Stage) -> None:
    """Every document and the stream answer 500 for a while; one that comes back is not stormed meanwhile."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    for kind in ("snapshot", "list", "stream"):
        stage.answer(kind, status=500)
    stage.feed.revoke(stage.by_index(2))
    stage.hang_up()
    await stage.keeps(good, 6, accepted=True, though="though stale tokens are served", section=PageSection.FAILURE)
    asked = stage.count("stream")
    if asked > _OUTAGE_STREAMS:
        stage.complain(f"asked for the stream {asked} times in 6 s of an outage", PageSection.FAILURE)
    stage.answer_truly()
    await stage.refuses(bad, within=4, after="the issuer came back", section=PageSection.FAILURE)


@SCENARIOS.add()
async def unknown_members(stage: Stage) -> None:
    """Every document has members that the page does not have."""
    stage.feed.extra = {"x_later": {"version": [2]}, "note": "ignored"}
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    await stage.begin(good, bad)
    stage.revoke(stage.by_index(2))
    await stage.refuses(bad, after="its event was sent", section=PageSection.DOCUMENTS)
    await stage.lives(good, live=True, within=3, why="heartbeats came with more members", section=PageSection.DOCUMENTS)


@SCENARIOS.add()
async def no_stream(stage: Stage) -> None:
    """The metadata offers no stream: lists are polled by their `ttl`."""
    good, bad = stage.token("good", 1), stage.token("bad", 2)
    stage.feed.extra, stage.feed.ttl = {"revocations_uri": None}, 5
    await stage.begin(good, bad, listens=False)
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(
        bad, within=6, after="it was revoked, in a list with a ttl of 5 s", section=PageSection.FETCHING
    )
    stage.at_most(0, "stream", why="which was not offered", section=PageSection.DISCOVERY)


@SCENARIOS.add()
async def no_feed(stage: Stage) -> None:
    """The metadata offers neither stream nor snapshot; tokens name a list all the same."""
    good, bad = stage.token("good"), stage.token("bad", 2)
    stage.feed.extra, stage.feed.ttl = {"revocations_uri": None, "revocations_snapshot_uri": None}, 5
    await stage.begin(good, bad, listens=False)
    stage.feed.revoke(stage.by_index(2))
    await stage.refuses(
        bad, within=6, after="it was revoked, in a list with a ttl of 5 s", section=PageSection.FETCHING
    )
    stage.at_most(0, "snapshot", why="which was not offered", section=PageSection.DISCOVERY)


def _lst(octets: bytes) -> str:
    return base64url.encode(zlib.compress(octets))


@cache
def _bomb() -> str:
    deflate = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    return base64url.encode(b"".join([*(deflate.compress(zeros) for _ in range(64)), deflate.flush()]))
