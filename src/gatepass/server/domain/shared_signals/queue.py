"""What streams still have to tell: one row for each stream and event, written in the transaction of the event."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.event import SERVER, Event, EventKind  # noqa: TC001 - msgspec reads them
from gatepass.server.domain.shared_signals.signal_types import (
    SIGNALS,
    SignalType,  # noqa: TC001 - as above
    initiator_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.logout_queue import Logout
    from gatepass.server.domain.shared_signals.stream import SignalStream

KEPT_SECONDS = 7 * 86_400.0
"""How long something waits to be polled, or for a stream that is paused."""
MOST_WAITING = 10_000
"""In one stream. Beyond, it is disabled: a receiver that is told so asks what has become of everybody, while one from
which some were silently withheld would take them for signed in."""
MOST_OF_ONE = 100
"""Of one person in one stream, the latest: nobody's own doings fill the queue that tells of others."""
_JTI_BYTES = 16
_ENDED_SECONDS = 60.0
"""How long after somebody's last sign-in at a client has ended it is still told of them. An act that ends all sign-ins
and one that is recorded after it are one transaction, at two times."""


class QueuedSignal(msgspec.Struct, frozen=True, kw_only=True):
    """One row; `tries` includes this one, times are in seconds since 1970.

    It holds ids and words, and no claim of anybody: what a token says is read when it is made, by its receiver's names.

    Attributes:
        id: In the order of time, for us.
        jti: For the receiver: two of them could tell by a time that they were told of one event.
        stream_id: The stream.
        event: The type.
        kind: Our event; empty for those about the stream.
        user_id: The person; empty for those about the stream.
        session_id: The sign-in that has ended, by the name that the client knows.
        initiator: The `initiating_entity`.
        reason: The detail of our event, or the `state` or `reason` of those about the stream.
        cause: What several came of, in our words.
        happened_at: When.
        tries: How often it was pushed.
        created_at: When it was queued.
        due_at: When it is pushed; None where it waits.
    """

    id: str
    jti: str
    stream_id: str
    event: SignalType
    kind: EventKind | Literal[""] = ""
    user_id: str = ""
    session_id: str = ""
    initiator: str = ""
    reason: str = ""
    cause: str = ""
    happened_at: float
    tries: int = 0
    created_at: float
    due_at: float | None


class SignalQueue(Protocol):
    """The queue of all streams."""

    async def add(self, signal: QueuedSignal) -> None:
        """Add one."""
        ...

    async def due_receivers(self, now: float) -> list[str]:
        """Streams with something to push."""
        ...

    async def claim_of(self, receiver: str, *, now: float, until: float, limit: int) -> list[QueuedSignal]:
        """Take what a stream is to be pushed; no other node gets it before `until`. One statement."""
        ...

    async def put_off(self, waiting_id: str, due_at: float) -> None:
        """Try again later."""
        ...

    async def remove(self, waiting_id: str) -> None:
        """Remove what was delivered, or never will be."""
        ...

    async def take_back(self, stream_id: str, jtis: Collection[str]) -> list[QueuedSignal]:
        """Remove some of a stream, and return those that were there: none of another stream's. One statement."""
        ...

    async def of_stream(self, stream_id: str, limit: int, *, event: SignalType | None = None) -> list[QueuedSignal]:
        """The oldest of a stream; of one type, if one is named."""
        ...

    async def count(self, stream_id: str, user_id: str) -> tuple[int, int]:
        """How many wait in a stream, and how many of these are about a person."""
        ...

    async def keep_latest(self, stream_id: str, user_id: str, most: int) -> None:
        """Remove the oldest about a person."""
        ...

    async def remove_of_stream(self, stream_id: str) -> None:
        """Remove all of a stream."""
        ...

    async def set_due(self, stream_id: str, due_at: float | None) -> None:
        """Push all of a stream from then on, or none."""
        ...

    async def with_something(self, stream_ids: Collection[str]) -> list[str]:
        """Those of the streams that have something to tell just now."""
        ...

    async def forget_before(self, created_at: float) -> None:
        """Remove old ones."""
        ...


async def queue_signals(tx: Transaction, event: Event) -> None:
    """Queue an event for the streams of those clients at which its person has signed in."""
    signal = SIGNALS.get(event.kind)
    if signal is None or signal.type == "session-revoked" or not event.user_id:
        return
    streams = await tx.signal_streams.hearing_of(
        event.user_id, signal.type, ended_after=event.at - _ENDED_SECONDS, now=event.at
    )
    for stream in streams:
        await _add(
            tx,
            stream,
            signal.type,
            kind=event.kind,
            user_id=event.user_id,
            initiator=initiator_of(event.actor, event.user_id, system=SERVER),
            reason=event.reason,
            cause=event.id,
        )


async def queue_purge(tx: Transaction, user_id: str) -> None:
    """Queue that an account is gone: the log names nobody who is, and its grants say whom to tell.

    What waits is still told, of an id that leads nowhere by then; what it says of a claim is not.
    """
    await queue_signals(
        tx, Event(id=new_id("evt"), at=tx.now, kind="account_deleted", user_id=user_id, session_id="", actor=user_id)
    )
    # Whoever has removed the person is told nothing. In a stream of a client with pairwise names this one names nobody.
    for stream in await tx.signal_streams.excluding(user_id):
        client = await tx.clients.by_id(stream.client_id)
        if client is not None and not client.sector:
            await tx.signals.keep_latest(stream.id, user_id, 0)
    await tx.signal_streams.forget_user(user_id)


async def queue_revoked_sessions(tx: Transaction, logouts: Iterable[Logout], *, actor: str | None, reason: str) -> None:
    """Queue that sign-ins have ended, for the clients whose they were."""
    cause = new_id("evt")
    for logout in logouts:
        for stream in await tx.signal_streams.hearing_at(logout.client_id, "session-revoked"):
            await _add(
                tx,
                stream,
                "session-revoked",
                kind="session_ended",
                user_id=logout.user_id,
                session_id=logout.session_id,
                initiator=initiator_of(actor, logout.user_id, reason, system=SERVER),
                reason=reason,
                cause=cause,
            )


async def queue_verification(tx: Transaction, stream: SignalStream, state: str) -> None:
    """Queue what shows a receiver that the stream works (SSF §8.1.4)."""
    await _add(tx, stream, "verification", reason=state)


async def _add(  # noqa: PLR0913 - the columns
    tx: Transaction,
    stream: SignalStream,
    event: SignalType,
    *,
    kind: EventKind | Literal[""] = "",
    user_id: str = "",
    session_id: str = "",
    initiator: str = "",
    reason: str = "",
    cause: str = "",
) -> None:
    waiting, of_person = await tx.signals.count(stream.id, user_id)
    if waiting >= MOST_WAITING:
        await _disable(tx, stream, "The queue of the stream was full")
        return
    if user_id and of_person >= MOST_OF_ONE:
        await tx.signals.keep_latest(stream.id, user_id, MOST_OF_ONE - 1)
    now = tx.now
    await tx.signals.add(
        QueuedSignal(
            id=new_id("sig"),
            jti=secrets.token_urlsafe(_JTI_BYTES),
            stream_id=stream.id,
            event=event,
            kind=kind,
            user_id=user_id,
            session_id=session_id,
            initiator=initiator,
            reason=reason,
            cause=cause,
            happened_at=now,
            created_at=now,
            due_at=now if stream.is_pushed and stream.status == "enabled" else None,
        )
    )


async def _disable(tx: Transaction, stream: SignalStream, reason: str) -> None:
    """Stop a stream, and queue that it was (SSF §8.1.5): the last thing that it tells, though it is disabled."""
    await tx.signal_streams.put(msgspec.structs.replace(stream, status="disabled", reason=reason))
    await tx.signals.remove_of_stream(stream.id)
    now = tx.now
    await tx.signals.add(
        QueuedSignal(
            id=new_id("sig"),
            jti=secrets.token_urlsafe(_JTI_BYTES),
            stream_id=stream.id,
            event="stream-updated",
            reason=reason,
            happened_at=now,
            created_at=now,
            due_at=now if stream.is_pushed else None,
        )
    )
