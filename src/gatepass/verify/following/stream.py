"""The stream: a greeting, then heartbeats and events; when to connect, reconnect and disconnect."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from gatepass.jose.errors import BadClaimError
from gatepass.tokens import heartbeat, revocation_event, status_list
from gatepass.tokens.heartbeat import SILENCE_SECONDS
from gatepass.tokens.revocation_event import Position

from .known import PRUNE_SECONDS
from .names import refuse_own_key
from .proof import FreshnessProof, younger
from .retry import Trouble
from .sse import COMMENT
from .upstreams import DOUBT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.jose import KeySet
    from gatepass.verify.clocks import Moment

    from .known import Known
    from .sse import Message
    from .upstreams import Upstreams
    from .verdict import Verdict

LIVE_SECONDS = 8.0
"""The maximum age of the last proof to count as live: several heartbeats, plus clock skew."""

_LONGEST_RETRY_AFTER = 30.0


class LostError(Exception):
    """The stream does not continue from the last event that we know: start over from the documents."""


class ResyncError(LostError):
    """The other side says so itself, which is no fault of its."""


# ── what a message is ──


class Greeting(NamedTuple):
    """The issuer's current position.

    Attributes:
        data: An epoch and the last event, as unsigned JSON.
    """

    data: str


class EventMessage(NamedTuple):
    """A signed event.

    Attributes:
        token: It, signed.
    """

    token: str


class HeartbeatMessage(NamedTuple):
    """A signed heartbeat, or a keep-alive.

    Attributes:
        token: It, signed; None for a comment that only keeps the connection open.
    """

    token: str | None


class Resync(NamedTuple):
    """The issuer no longer has the events since ours."""


Said: TypeAlias = Greeting | EventMessage | HeartbeatMessage | Resync

_HEARTBEAT = "heartbeat "
"""The prefix of a comment with a heartbeat."""


def said(message: Message) -> Said | None:
    """Classify a message; None for a kind from a later version of the protocol."""
    match message.event:
        case "hello":
            return Greeting(message.data)
        case "revoked":
            return EventMessage(message.data)
        case "resync":
            return Resync()
        case event if event == COMMENT:
            is_signed = message.data.startswith(_HEARTBEAT)
            return HeartbeatMessage(message.data.removeprefix(_HEARTBEAT) if is_signed else None)
        case _:
            return None


class StreamConnection:
    """One connection to the stream.

    Attributes:
        heard_at: When the last whole message came, or when it was opened, by the clock that only runs.
        goal: The event at which the issuer stood when it greeted us; None before that.
        place: Which of the upstreams it leads to.
    """

    __slots__ = ("goal", "heard_at", "place")

    def __init__(self, run: float, place: int = 0) -> None:
        self.heard_at = run
        self.goal: int | None = None
        self.place = place


class Stream:
    """Keeps what is known up to date by a stream. At most two connections: the current one, and its replacement.

    Attributes:
        upstreams: Where it comes from.
    """

    def __init__(self, known: Known, verdict: Verdict, upstreams: Upstreams, *, jitter: Callable[[], float]) -> None:
        """Set it up.

        Args:
            known: What is known.
            verdict: Who goes by it.
            upstreams: Where it comes from.
            jitter: A number between 0 and 1, so that readers do not all come at once.
        """
        self.upstreams = upstreams
        self._known = known
        self._verdict = verdict
        self._jitter = jitter
        self._current: StreamConnection | None = None
        self._next: StreamConnection | None = None
        self._trouble = Trouble()

    # ── connections ──

    @property
    def has_settled(self) -> bool:
        """Whether the first attempt to connect has ended, or cannot start."""
        known = self._known
        return not known.feeds or known.events.position is None or self._current is not None or bool(self._trouble)

    def is_live(self, now: Moment) -> bool:
        """Whether the stream is up to date, and has proved that recently."""
        connection, position = self._current, self._known.events.position
        if connection is None or connection.goal is None or position is None or position.event_id < connection.goal:
            return False
        return now.run - connection.heard_at < SILENCE_SECONDS and self._known.by_stream.age(now) < LIVE_SECONDS

    def due(self, now: Moment) -> str | None:
        """Where to connect, if it is time; with the position to resume from.

        A silent connection is not closed at once: another is opened beside it, and likewise at another upstream.
        """
        known = self._known
        if not known.feeds or known.offer is None or known.offer.stream_url is None or known.events.position is None:
            return None
        if self._next is not None:
            return None
        self._choose(now)
        current, place = self._current, self.upstreams.place
        if current is not None and current.place == place and now.run - current.heard_at < DOUBT_SECONDS:
            return None
        return self.upstreams.url(known.offer.stream_url, place) if self._trouble.is_over(now) else None

    def _choose(self, now: Moment) -> None:
        """Leave a relay that brings nothing new; come back to those before, if it is time."""
        if self.upstreams.is_in_doubt(now):
            self._leave(now)
        elif self._current is not None:
            self.upstreams.look_back(now)

    def _leave(self, now: Moment, *, at_least: float = 0) -> None:
        """Go on to the next upstream; what one asks us to wait holds for coming back to it, not for another."""
        self.upstreams.leave(now)
        seconds = at_least if self.upstreams.place == 0 else self.upstreams.wait
        self._trouble.failed(now, self._jitter(), at_least=seconds)

    def opened(self, now: Moment) -> StreamConnection:
        """Record a new connection; it becomes current once it has sent its greeting."""
        self.upstreams.asked(now)
        self._next = StreamConnection(now.run, self.upstreams.place)
        return self._next

    def is_given_up(self, connection: StreamConnection, now: Moment) -> bool:
        """Whether to disconnect: it was silent for too long, or was replaced."""
        return connection not in (self._current, self._next) or now.run - connection.heard_at >= SILENCE_SECONDS

    def closed(
        self, connection: StreamConnection, now: Moment, *, retry_after: float = 0, is_faulty: bool = False
    ) -> None:
        """Record the end of a connection, and plan to reconnect: elsewhere, if it never began or was wrong.

        Args:
            connection: The connection.
            now: The time.
            retry_after: The seconds that the issuer asks us to wait.
            is_faulty: Whether what it said was refused, or incomplete.
        """
        is_over = is_faulty or connection.goal is None
        if connection is self._current:
            self._current = None
        elif connection is self._next:
            self._next = None
        else:
            return  # it was already replaced
        seconds = min(retry_after, _LONGEST_RETRY_AFTER)
        if is_over and connection.place == self.upstreams.place:
            self._leave(now, at_least=seconds)
        else:
            self._trouble.failed(now, self._jitter(), at_least=seconds)

    def restart(self) -> None:
        """Start over in a forked process, whose parent has the connections."""
        self._current = self._next = None
        self._trouble.ended()

    # ── the greeting ──

    def hear_greeting(self, connection: StreamConnection, data: str, now: Moment) -> None:
        """Learn the issuer's position. It is unsigned: it only shows how far we have to catch up.

        Raises:
            LostError: It stands in another epoch, or behind us.
        """
        connection.heard_at = now.run
        at, position = _position_in(data), self._known.events.position
        if at is None or position is None or at.epoch != position.epoch:
            raise self._lose("the stream is of another epoch")
        if at.event_id < position.event_id:
            raise (
                LostError("it is behind another")
                if self._current not in (None, connection)
                else self._lose("it is behind us")
            )
        connection.goal = at.event_id
        self._current, self._next = connection, None
        self.upstreams.arrived(connection.place, now)

    def hear_resync(self) -> ResyncError:
        """Start over from the documents, as the issuer asks."""
        self._known.start_over()
        return ResyncError("the issuer no longer has the events since our position")

    # ── heartbeats ──

    def hear_comment(self, connection: StreamConnection, now: Moment) -> None:
        """Record that the connection is alive, which proves nothing."""
        connection.heard_at = now.run

    def read_heartbeat(self, token: str, keys: KeySet, now: float) -> heartbeat.Heartbeat:
        """Check a heartbeat; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        self._known.checked_signer(token)
        return heartbeat.check(token, keys, issuer=self._known.issuer, now=now)

    def hear_heartbeat(self, beat: heartbeat.Heartbeat, now: Moment) -> None:
        """Accept it as proof that we knew everything as of its time.

        Raises:
            LostError: There is something: events are missing, or it is of another epoch.
        """
        known = self._known
        position = known.events.position
        if position is None:
            return  # we have started over
        if beat.epoch != position.epoch or beat.head > position.event_id:
            raise self._lose("events are missing")
        if beat.head < position.event_id:
            return  # its node is behind us, so it proves nothing
        known.issuer_time = max(known.issuer_time, beat.iat)
        known.by_stream = younger(
            known.by_stream, FreshnessProof(beat.as_of, now.run - max(0.0, beat.iat - beat.as_of)), now
        )
        if self._current is not None and self.is_live(now):
            self._trouble.ended()
            self.upstreams.proved(self._current.place, beat.as_of, now)
        if now.run - known.pruned_at >= PRUNE_SECONDS:
            known.prune(now)
        self._verdict.look(now)

    # ── events ──

    def read_event(self, token: str, keys: KeySet, now: float) -> revocation_event.RevocationEvent:
        """Check an event message; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._known.checked_signer(token)
        event = revocation_event.check(token, keys, issuer=self._known.issuer, now=now)
        refuse_own_key(kid, event.revoked.kids)
        for _, indexes in event.revoked.status:
            if indexes and not 0 <= min(indexes) <= max(indexes) < status_list.SIZE:
                raise BadClaimError("an index is out of bounds", claim="events")
        return event

    def hear_event(self, connection: StreamConnection, event: revocation_event.RevocationEvent, now: Moment) -> None:
        """Apply an event message by its position, whatever our clock says.

        Raises:
            LostError: There is a gap before it, or it is of another epoch.
            JoseError: It has no position.
        """
        connection.heard_at = now.run
        known, at, revoked = self._known, event.position, event.revoked
        position = known.events.position
        if position is None or at.epoch != position.epoch or revoked.after > position.event_id:
            raise self._lose("events are missing")
        if at.event_id <= position.event_id:
            return  # it is already known, and its repetition proves nothing
        known.add_names(revoked.jtis, revoked.issued_before)
        for uri, indexes in revoked.status:
            known.lists.hear(uri, at, indexes)
            known.events.remember(at.event_id, uri, indexes)
        known.refuse_keys(revoked.kids)
        known.events.position = at

    def _lose(self, why: str) -> LostError:
        self._known.start_over()
        return LostError(why)


class _Greeting(msgspec.Struct, frozen=True):
    epoch: str
    event_id: int


def _position_in(data: str) -> Position | None:
    """Parse a greeting; None if it is malformed."""
    try:
        found = msgspec.json.decode(data, type=_Greeting)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return Position(found.epoch, found.event_id)
