"""One scenario's issuer, and the conversation with the harness of the follower under test.

A script plays on it: it publishes, revokes and misbehaves, asks the harness for its follower's verdicts, and complains
(`Misstep`) in a sentence about the first thing that the page does not allow.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from gatepass.tokens.heartbeat import INTERVAL_SECONDS

from .line import StreamLine
from .publishing import ScriptedFeed, by_id, by_index, comment, message
from .sections import PageSection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gatepass.jose import Key

AT_ONCE = 1.0
"""How soon a revocation that was sent must be known."""

START_SECONDS = 5.0
"""How long a follower may take until it listens."""

_HOLD_SECONDS = 1.0
"""How long the harness waits for its next step, before it is told to ask again."""

_SLICE_SECONDS = 0.5
"""How far a clock that the harness sets moves at a time."""

_REACTION_SECONDS = 0.04
"""The real time that the follower gets for each slice."""

_POLL_SECONDS = 0.02

_MOST_A_SECOND = 10
"""More requests for one document in a second are an attack."""


class Misstep(Exception):
    """The follower did what it must not do.

    Attributes:
        section: The section of the page that says so.
    """

    def __init__(self, what: str, section: PageSection) -> None:
        super().__init__(what)
        self.section = section


class Answer(NamedTuple):
    """How a document is answered.

    Attributes:
        body: The document.
        status: The status code.
        headers: More headers.
        chunks: What is sent in place of the body, piece by piece.
    """

    body: str | bytes = ""
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    chunks: AsyncIterator[bytes] | None = None


class Visit(NamedTuple):
    """A request that the follower made.

    Attributes:
        at: When, by the issuer's clock.
        kind: For what: `metadata`, `jwks`, `snapshot`, `list`, `stream`, or `elsewhere` for another origin.
        path: The path below the issuer's own.
        last_event_id: From where it resumes the stream.
    """

    at: float
    kind: str
    path: str
    last_event_id: str = ""


class Heard(NamedTuple):
    """What the harness said of its follower.

    Attributes:
        accepted: Whether it accepted the token.
        code: Why not, if it says.
        live: Whether it counts as live, if it says.
        seconds: The real time that it took.
    """

    accepted: bool
    code: str
    live: bool | None
    seconds: float


class StageClock:
    """The issuer's clock: the real one, or the one that the harness sets."""

    def __init__(self) -> None:
        self.is_set = False
        self._now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self._now if self.is_set else time.time()

    def set(self, now: float) -> None:
        """Stand still from now on, until it is moved."""
        self.is_set, self._now = True, now

    def advance(self, seconds: float) -> None:
        """Move."""
        self._now += seconds


class Stage:
    """The issuer of one scenario.

    Attributes:
        feed: What it publishes.
        clock: Its time.
        visits: What the follower asked for.
        answers: What is answered in place of the usual, by kind of document or by path.
        lines: The streams, open and ended.
        beats: Whether heartbeats go out by themselves.
        greeting: The position in the greeting, if it is another than the true one.
        framing: How the messages of a stream are written.
        on_slice: What to do whenever some time has passed.
        size: How many lists a scenario of many has.
        elsewhere: Another origin, which must never be asked.
        released: Set when the scenario is over, for answers that never come.
    """

    def __init__(self, url: str, *, elsewhere: str, size: int) -> None:
        self.clock = StageClock()
        self.feed = ScriptedFeed(url, self.clock)
        self.visits: list[Visit] = []
        self.answers: dict[str, Callable[[], Awaitable[Answer]]] = {}
        self.lines: list[StreamLine] = []
        self.beats = True
        self.greeting: dict[str, Any] | None = None
        self.framing: Callable[[bytes], bytes] = bytes
        self.on_slice: Callable[[], None] = _nothing
        self.size = size
        self.elsewhere = elsewhere
        self.names: dict[str, str] = {}
        self._beat_at = 0.0
        self._steps: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._is_asked = False
        self.released = asyncio.Event()

    # ── the harness ──

    async def next_step(self, said: dict[str, Any]) -> dict[str, Any]:
        """Take what the harness says of the last step, and give it the next; an empty one is to ask again."""
        if self._is_asked:
            self._is_asked = False
            self._said.put_nowait(said)
        try:
            async with asyncio.timeout(_HOLD_SECONDS):
                step = await self._steps.get()
        except TimeoutError:
            return {}
        self._is_asked = bool(step)
        return step

    def release(self) -> None:
        """The scenario is over: the harness need not wait, nor answers that were held back."""
        self.released.set()
        self._steps.put_nowait({})

    async def _exchange(self, step: dict[str, Any]) -> dict[str, Any]:
        self._steps.put_nowait(step)
        return await self._said.get()

    async def ask(self, token: str) -> Heard:
        """Ask for the follower's verdict on a token."""
        began = time.monotonic()
        said = await self._exchange({"token": token})
        if not isinstance(said.get("accepted"), bool):
            raise Misstep("the harness did not say whether the token is accepted", PageSection.REVOKED)
        live = said.get("live")
        return Heard(
            said["accepted"],
            str(said.get("code") or ""),
            live if isinstance(live, bool) else None,
            time.monotonic() - began,
        )

    # ── time ──

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        ends = self.clock() + seconds
        while (left := ends - self.clock()) > 0:
            await self._let_pass(min(left, _SLICE_SECONDS))

    async def _let_pass(self, seconds: float) -> None:
        if self.clock.is_set:
            self.clock.advance(seconds)
            await self._exchange({"advance": {"wall": seconds, "running": seconds}})
            self.beat_if_due()
            self.on_slice()
            await asyncio.sleep(_REACTION_SECONDS)
        else:
            self.on_slice()
            await asyncio.sleep(min(seconds, _SLICE_SECONDS))

    async def set_wall_clock(self, seconds: float) -> None:
        """Step the follower's wall clock, and neither ours nor its running one."""
        await self._exchange({"advance": {"wall": seconds, "running": 0.0}})

    async def until(
        self, holds: Callable[[], Awaitable[bool]], within: float, complaint: Callable[[], str], section: PageSection
    ) -> None:
        """Wait until something holds. Raises Misstep if it does not in time."""
        began, patience = self.clock(), time.monotonic() + _patience(within)
        while not await holds():
            left = began + within - self.clock()
            if left > 0:
                await self._let_pass(min(left, _SLICE_SECONDS if self.clock.is_set else _POLL_SECONDS))
            elif self.clock.is_set and time.monotonic() < patience:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                raise Misstep(complaint(), section)

    def beat_if_due(self) -> None:
        """Send a heartbeat on every stream, if it is time."""
        if self.beats and self.clock() - self._beat_at >= INTERVAL_SECONDS:
            self._beat_at = self.clock()
            self.write(comment(f"heartbeat {self.feed.heartbeat()}"))

    # ── tokens ──

    def token(
        self,
        name: str,
        idx: int | None = None,
        *,
        number: int = 1,
        key: Key | None = None,
        **claims: Any,  # noqa: ANN401 - any claim
    ) -> str:
        """Sign a token, which complaints call by its name."""
        made = self.feed.token(idx, number=number, key=key, **claims)
        self.names[made] = name
        return made

    async def begin(self, *tokens: str, listens: bool = True) -> None:
        """Wait until the follower accepts each token and listens. Raises Misstep if it does not."""
        for token in tokens:
            await self.accepts(token, within=START_SECONDS, though="nothing revoked it")
        if listens:
            await self.connected()

    async def accepts(
        self, token: str, *, within: float = 0.0, though: str, section: PageSection = PageSection.REVOKED
    ) -> Heard:
        """Expect that a token is accepted."""
        last: list[Heard] = []

        async def is_accepted() -> bool:
            last.append(await self.ask(token))
            return last[-1].accepted

        def complaint() -> str:
            code = f" ({last[-1].code})" if last[-1].code else ""
            return f"refused the token {self.names[token]!r}{code}, though {though}"

        await self.until(is_accepted, within, complaint, section)
        return last[-1]

    async def refuses(
        self,
        token: str,
        *,
        within: float = AT_ONCE,
        after: str,
        section: PageSection = PageSection.STREAM,
        code: str = "",
    ) -> None:
        """Expect that a token is refused soon, and stays so."""
        began = self.clock()
        last: list[Heard] = []

        async def is_refused() -> bool:
            last.append(await self.ask(token))
            return not last[-1].accepted

        def complaint() -> str:
            return f"accepted the token {self.names[token]!r} {self.clock() - began:.1f} s after {after}"

        await self.until(is_refused, within, complaint, section)
        found = last[-1].code
        if code and found and found != code:
            raise Misstep(f"refused the token {self.names[token]!r} as {found}, which is {code}", section)

    async def keeps(self, token: str, seconds: float, *, accepted: bool, though: str, section: PageSection) -> None:
        """Expect that the verdict on a token stays what it is for some time."""
        ends = self.clock() + seconds
        while True:
            heard = await self.ask(token)
            if heard.accepted is not accepted:
                verb = "accepted" if heard.accepted else f"refused ({heard.code or 'without a code'})"
                raise Misstep(f"{verb} the token {self.names[token]!r}, {though}", section)
            left = ends - self.clock()
            if left <= 0:
                return
            await self._let_pass(min(left, _SLICE_SECONDS))

    # ── revoking ──

    def by_index(self, *indexes: int, number: int = 1) -> dict[str, Any]:
        """What an event says of grants."""
        return by_index(self.feed, *indexes, number=number)

    def revoke(self, revoked: dict[str, Any], *, key: Key | None = None) -> str:
        """Revoke, and send the event."""
        token = self.feed.revoke(revoked, key=key)
        self.say("revoked", token, f"{self.feed.epoch}:{self.feed.event_id}")
        return token

    def revoke_ids(self, *tokens: str) -> str:
        """Revoke tokens by `jti`, and send the event."""
        return self.revoke(by_id(tokens))

    def revoke_quietly(self, *tokens: str) -> None:
        """Revoke tokens by `jti`, without sending the event."""
        self.feed.revoke(by_id(tokens))

    # ── the stream ──

    @property
    def open_lines(self) -> list[StreamLine]:
        """The streams that are open."""
        return [line for line in self.lines if line.is_open]

    def write(self, octets: bytes) -> None:
        """Write to every stream that is open."""
        for line in self.open_lines:
            line.write(self.framing(octets))

    def say(self, event: str, data: str, number: str | None = None) -> None:
        """Send a message on every stream."""
        self.write(message(event, data, number))

    def freeze(self) -> None:
        """Lose what is sent from now on over the streams that are open, without closing them."""
        for line in self.open_lines:
            line.is_frozen = True

    def hang_up(self) -> None:
        """End all streams in an orderly way."""
        for line in self.open_lines:
            line.end()

    def resync(self) -> None:
        """Tell the follower that we do not have the events since its position."""
        self.say("resync", json.dumps(self.position))
        self.hang_up()

    @property
    def position(self) -> dict[str, Any]:
        """Where we stand, as a greeting says it."""
        return {"epoch": self.feed.epoch, "event_id": self.feed.event_id}

    def new_line(self, last_event_id: str) -> StreamLine:
        """Open a stream: the greeting, what was missed, and a heartbeat."""
        line = StreamLine()
        self.lines.append(line)

        def write(octets: bytes) -> None:
            line.write(self.framing(octets))

        epoch, _, number = last_event_id.partition(":")
        after = int(number) if number.isascii() and number.isdecimal() else -1
        first = self.feed.log[0][0] - 1 if self.feed.log else self.feed.event_id
        if (epoch != self.feed.epoch or not first <= after <= self.feed.event_id) and self.greeting is None:
            write(message("resync", json.dumps(self.position)))
            line.end()
            return line
        write(message("hello", json.dumps(self.greeting or self.position)))
        for event_id, token in self.feed.log:
            if event_id > after:
                write(message("revoked", token, f"{self.feed.epoch}:{event_id}"))
        if self.beats:
            write(comment(f"heartbeat {self.feed.heartbeat()}"))
        return line

    async def connected(self, within: float = START_SECONDS) -> None:
        """Wait until the follower listens."""

        async def listens() -> bool:
            return any(not line.is_frozen for line in self.open_lines)

        await self.until(listens, within, lambda: f"opened no stream within {within:g} s", PageSection.STREAM)

    async def hangs_up(self, line: StreamLine, within: float, why: str, section: PageSection) -> None:
        """Wait until the follower has closed a stream."""

        async def is_closed() -> bool:
            return not line.is_open

        await self.until(is_closed, within, lambda: f"kept a stream open {within:g} s after {why}", section)

    async def lives(self, token: str, *, live: bool, within: float, why: str, section: PageSection) -> None:
        """Expect that the follower counts as live, or does not. A harness that does not say passes."""

        async def is_so() -> bool:
            heard = await self.ask(token)
            return heard.live is None or heard.live is live

        words = "is not live" if live else "counts as live"
        await self.until(is_so, within, lambda: f"{words} {within:g} s after {why}", section)

    # ── requests ──

    def visit(self, kind: str, path: str, last_event_id: str = "") -> None:
        """Record a request."""
        self.visits.append(Visit(self.clock(), kind, path, last_event_id))

    def count(self, kind: str, path: str | None = None, *, since: float = 0.0) -> int:
        """Count requests."""
        return sum(
            1 for visit in self.visits if visit.kind == kind and path in {None, visit.path} and visit.at >= since
        )

    def at_most(self, times: int, kind: str, *, more_than: int = 0, why: str, section: PageSection) -> None:
        """Expect no more requests of a kind than these, besides those before."""
        asked = self.count(kind) - more_than
        if asked > times:
            raise Misstep(f"asked for the {kind} {asked} times {why}; {times} at most are allowed", section)

    async def until_visited(self, kind: str, times: int, *, within: float) -> None:
        """Wait until the follower has asked for something so often."""

        async def has_come() -> bool:
            return self.count(kind) >= times

        await self.until(
            has_come, within, lambda: f"did not ask for the {kind} within {within:g} s", PageSection.FAILURE
        )

    def complain(self, what: str, section: PageSection) -> NoReturn:
        """End the scenario."""
        raise Misstep(what, section)

    def check_manners(self) -> None:
        """Complain of what no scenario allows: requests to another origin, and hammering."""
        if any(visit.kind == "elsewhere" for visit in self.visits):
            path = next(visit.path for visit in self.visits if visit.kind == "elsewhere")
            raise Misstep(f"asked another origin than the issuer's, for {path}", PageSection.DISCOVERY)
        seconds = Counter((visit.kind, visit.path, int(visit.at)) for visit in self.visits)
        for (kind, path, _), times in seconds.items():
            if times > _MOST_A_SECOND:
                raise Misstep(f"asked for the {kind} ({path}) {times} times in a second", PageSection.FAILURE)

    def answer(self, kind: str, body: str | bytes = "", *, status: int = 200, **headers: str) -> None:
        """Answer a kind of document, or a path, with this from now on."""

        async def always() -> Answer:
            return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})

        self.answers[kind] = always

    def answer_truly(self, *kinds: str) -> None:
        """Answer kinds of documents as usual again; all of them, if none is named."""
        for kind in kinds or tuple(self.answers):
            self.answers.pop(kind, None)


def _patience(within: float) -> float:
    """The real time that a follower whose clock stands still may take in all, on a busy machine."""
    return within + 4.0


def _nothing() -> None:
    pass
