"""What a receiver does to its own streams. Any other client's is not there (SSF 1.0 §8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.shared_signals.queue import queue_verification
from gatepass.server.domain.shared_signals.stream import (
    LONGEST_TEXT,
    MOST_EXCLUDED,
    MOST_STREAMS,
    POLL,
    PUSH,
    VERIFICATION_SECONDS,
    SignalStream,
    check_endpoint,
    check_header,
    check_requested,
    check_text,
    delivered,
    seal_header,
)

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.shared_signals.stream import StreamStatus


class WantedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver wants to be told; `authorization_header` is None where it has not said."""

    method: str = POLL
    endpoint_url: str = ""
    authorization_header: str | None = None


class WantedStream(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver may say of a stream; None where it has not."""

    delivery: WantedDelivery | None = None
    events_requested: tuple[str, ...] | None = None
    description: str | None = None

    def applied_to(self, before: SignalStream, data_key: DataKey) -> SignalStream | Refusal:
        """The stream with what was said."""
        after: SignalStream | Refusal = before
        if self.delivery is not None:
            after = _delivered_by(before, self.delivery, data_key)
        if isinstance(after, Refusal):
            return after
        if self.events_requested is not None:
            if refused := check_requested(self.events_requested):
                return refused
            requested = tuple(dict.fromkeys(self.events_requested))
            after = msgspec.structs.replace(after, events=delivered(requested), events_requested=requested)
        if self.description is not None:
            if refused := check_text("description", self.description):
                return refused
            after = msgspec.structs.replace(after, description=self.description[:LONGEST_TEXT])
        return after


async def own_stream(tx: Transaction, client_id: str, stream_id: str) -> SignalStream | Refusal:
    """A stream of this client: of one of another's nobody learns that it is there."""
    stream = await tx.signal_streams.by_id(stream_id) if stream_id.isprintable() else None
    if stream is None or stream.client_id != client_id:
        return Refusal("stream_not_found", "This client has no stream of this id.")
    return stream


async def add_stream(
    tx: Transaction, client_id: str, wanted: WantedStream, data_key: DataKey
) -> SignalStream | Refusal:
    """Add a stream."""
    if len(await tx.signal_streams.of_client(client_id)) >= MOST_STREAMS:
        return Refusal("too_many_signal_streams", f"A client has at most {MOST_STREAMS} streams.")
    stream = wanted.applied_to(
        SignalStream(id=new_id("str"), client_id=client_id, method=POLL, created_at=tx.now), data_key
    )
    if not isinstance(stream, Refusal):
        await tx.signal_streams.add(stream)
        await record(tx, "stream_added", actor=client_id, reason=stream.id)
    return stream


async def change_stream(
    tx: Transaction, before: SignalStream, wanted: WantedStream, data_key: DataKey
) -> SignalStream | Refusal:
    """Change what is named. What waits is told in the new way."""
    after = wanted.applied_to(before, data_key)
    if isinstance(after, Refusal) or after == before:
        return after
    await tx.signal_streams.put(after)
    if after.is_pushed != before.is_pushed:
        await _set_due(tx, after)
    await record(tx, "stream_changed", actor=before.client_id, reason=before.id)
    return after


async def remove_stream(tx: Transaction, stream: SignalStream, *, actor: str) -> None:
    """Remove a stream, and all that it would tell."""
    await tx.signal_streams.remove(stream.id)
    await record(tx, "stream_removed", actor=actor, reason=stream.id)


async def set_status(
    tx: Transaction, before: SignalStream, status: StreamStatus, reason: str
) -> SignalStream | Refusal:
    """Tell, hold, or drop what happens (SSF §8.1.2)."""
    if refused := check_text("reason", reason):
        return refused
    after = msgspec.structs.replace(before, status=status, reason=reason[:LONGEST_TEXT])
    await tx.signal_streams.put(after)
    if status == "disabled":
        await tx.signals.remove_of_stream(before.id)
    else:
        await _set_due(tx, after)
    if status != before.status:
        await record(tx, "stream_changed", actor=before.client_id, reason=before.id)
    return after


async def verify_stream(tx: Transaction, stream: SignalStream, state: str) -> Refusal | None:
    """Queue a verification, once in a while."""
    if refused := check_text("state", state):
        return refused
    if stream.status == "disabled":
        return Refusal("stream_disabled", "The stream is disabled, so nothing can be told: enable it first.")
    wait = stream.verified_at + VERIFICATION_SECONDS - tx.now
    if wait > 0:
        return Refusal(
            "verification_too_soon",
            f"A verification can be asked for every {VERIFICATION_SECONDS} seconds.",
            retry_after=int(wait) + 1,
        )
    await tx.signal_streams.put(msgspec.structs.replace(stream, verified_at=tx.now))
    await queue_verification(tx, stream, state)
    return None


async def exclude_subject(tx: Transaction, stream: SignalStream, subject: str) -> Refusal | None:
    """Tell no more of somebody: also of one whom nobody knows, which shows nothing (SSF §9.1). Once more is no more."""
    if await tx.signal_streams.excluded(stream.id, (subject,)):
        return None
    if await tx.signal_streams.count_excluded(stream.id) >= MOST_EXCLUDED:
        return Refusal("too_many_subjects", f"At most {MOST_EXCLUDED} people can be removed from a stream.")
    await tx.signal_streams.exclude(stream.id, subject)
    return None


async def _set_due(tx: Transaction, stream: SignalStream) -> None:
    is_pushed_now = stream.is_pushed and stream.status == "enabled"
    await tx.signals.set_due(stream.id, tx.now if is_pushed_now else None)


def _delivered_by(before: SignalStream, wanted: WantedDelivery, data_key: DataKey) -> SignalStream | Refusal:
    if wanted.method == POLL:
        return msgspec.structs.replace(before, method=POLL, endpoint_url="", authorization_header=b"")
    if wanted.method != PUSH:
        return Refusal("invalid_stream", f"There is no such delivery method: take {PUSH} or {POLL}.")
    header = wanted.authorization_header
    if refused := check_endpoint(wanted.endpoint_url) or check_header(header or ""):
        return refused
    if header is not None:
        sealed = seal_header(data_key, header, before.id)
    else:  # who reads a stream and sends it back has not seen the header, which goes to no other URL
        sealed = before.authorization_header if before.endpoint_url == wanted.endpoint_url else b""
    return msgspec.structs.replace(before, method=PUSH, endpoint_url=wanted.endpoint_url, authorization_header=sealed)
