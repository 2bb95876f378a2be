"""The feed: follows the log, updates the documents, and notifies the readers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gatepass.fanout import messages
from gatepass.fanout.readers import Readers
from gatepass.jose import jws
from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.revocation.known import LogRead
from gatepass.server.features.revocation_feed.on_demand import OnDemand
from gatepass.server.features.revocation_feed.stream import EventStream
from gatepass.server.features.revocation_feed.stream_slots import StreamSlots
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route
from gatepass.tokens import heartbeat, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.revocation_snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.log import Revocation
    from gatepass.server.web.call import Call
    from gatepass.server.web.documents import PublicDocument

    Render = Callable[[], Awaitable[PublicDocument]]

SNAPSHOT_PATH = "/revocations/snapshot"
STREAM_PATH = "/revocations"
_MOST_TOLD = 10_000
"""The maximum of revocations in one event. A reader that missed more fetches the documents again."""
_BELIEVED_SECONDS = 86_400
"""`exp` of lists and the snapshot: a reader without a newer one must stop trusting it after that."""
_SNAPSHOT_SECONDS = 2.0
"""How much newer the feed may be than the `as_of` of the snapshot."""
_REBUILD_SECONDS = 600.0
"""How often expired entries are dropped, which reads all current ones."""
_YOUNG_SECONDS = 1.0
"""A reading this recent is good enough for a heartbeat."""
_READ_SECONDS = 1.0
"""How long a heartbeat waits for the store."""
_MISSED_KEPT = 64
"""How many resume messages are cached for readers at the same position."""


class _Beat(NamedTuple):
    """A heartbeat, what it covered, and when it was made, by `time.monotonic`."""

    message: bytes
    told: tuple[Position, float]
    made_at: float


class RevocationFeed:
    """Follows the log of revocations.

    `start` it before serving, `catch_up` whenever the database has changed, and `beat` every 2 seconds.
    """

    def __init__(self, core: Core) -> None:
        self.readers = Readers()
        self.known = core.known
        self._database = core.database
        self._keys = core.keys
        self._ring = core.keys.current
        self._issuer = core.settings.issuer_url
        self._ttl = core.settings.status_list_seconds
        self._clock = core.clock
        self._public = core.documents
        self._indexes = core.indexes
        self._slots = StreamSlots(core)
        self._catching_up = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._rebuilt_at = float("-inf")
        self._is_behind = False
        self._told = self.known.position, self.known.as_of
        self._beat: _Beat | None = None
        self._documents: dict[str, OnDemand] = {}
        self._missed: dict[int, bytes] = {}

    def routes(self) -> tuple[Route, ...]:
        """The call for the stream."""
        return (
            Route(
                method="GET",
                path=STREAM_PATH,
                handler=self.follow,
                auth=ANYONE,
                summary="Stream revocations",
                answers={200: None},
                problems=("invalid_client", "too_many_streams"),
            ),
        )

    async def start(self) -> None:
        """Read everything, and publish the documents."""
        async with self._catching_up:
            await self._begin_anew()

    async def catch_up(self) -> None:
        """Read new entries, and notify the readers. If the keys have changed, discard what was signed before."""
        if self._ring is not self._keys.current:  # from then on no copy is signed with an untrusted key
            self._ring = self._keys.current
            self._beat = None
            for document in self._documents.values():
                document.discard()
        async with self._catching_up:
            await self._advance()
            if self._clock() - self._rebuilt_at >= _REBUILD_SECONDS:
                await self._forget_expired()

    async def beat(self) -> None:
        """Read the store if it answers quickly, and send every reader a heartbeat with the age of the data.

        An unresponsive store does not delay heartbeats. An unavailable signer does; connections are kept open
        meanwhile, so that readers do not all reconnect at once.
        """
        if time.monotonic() - self.known.as_of >= _YOUNG_SECONDS:
            await self._read_soon()
        try:
            self.readers.keep_alive(await self._heartbeat())
        except Unavailable:
            self.readers.keep_alive()
            raise

    async def _read_soon(self) -> None:
        """Start reading, unless an earlier reading hangs, and wait for it, but not long."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self.catch_up())
            self._reading.add_done_callback(_outcome_is_known)
        await asyncio.wait((self._reading,), timeout=_READ_SECONDS)

    async def _heartbeat(self) -> bytes:
        """Sign a heartbeat; requests right after it get the same one."""
        now, told = time.monotonic(), self._told
        if self._beat is not None and self._beat.told == told and now - self._beat.made_at < _YOUNG_SECONDS:
            return self._beat.message
        position, read_at = told
        claims = heartbeat.claims(
            issuer=self._issuer, position=position, as_of=self._by_the_store(read_at), now=self._clock()
        )
        signer = self._keys.current.document_signer
        signed = heartbeat.signing_input(claims, alg=signer.alg, kid=signer.kid)
        message = messages.heartbeat(jws.assemble(signed, await signer.sign(signed)))
        self._beat = _Beat(message, told, now)
        return message

    def _by_the_store(self, moment: float) -> float:
        """The store's time at a moment of `time.monotonic`."""
        return self._clock() - (time.monotonic() - moment)

    async def follow(self, call: Call, _body: None) -> Response:
        """Add a reader; first it gets the events it has missed, and the age of the data."""
        after = call.request.headers.get("last-event-id") or call.query.get("after", "")
        slot = await self._slots.take(call.request)
        mailbox, position = self.readers.join(), self.known.position
        try:
            welcome = await self._welcome(Position.parse(after), position)
            with suppress(Unavailable):  # there is no signer: the reader gets the events without proof
                welcome += await self._heartbeat()
            return EventStream(self.readers, mailbox, welcome, slot)
        except BaseException:
            self.readers.leave(mailbox)
            slot.give_back()
            raise

    async def _welcome(self, after: Position | None, position: Position) -> bytes:
        if after is None or after == position:
            return messages.hello(position)
        if after.epoch != position.epoch or after.event_id > position.event_id:
            return messages.resync(position)
        missed = self._missed.get(after.event_id)
        if missed is None:
            read = await self._read(after.event_id)
            entries = [entry for entry in read.entries if entry.id <= position.event_id]
            if len(entries) > _MOST_TOLD:
                return messages.resync(position)
            missed = await self._event(entries, after=after.event_id, position=position)
            self._keep_missed(after.event_id, position, missed)
        return messages.hello(position) + missed

    def _keep_missed(self, after: int, position: Position, message: bytes) -> None:
        """Many readers reconnect at once at the same position: one message serves all while it is complete."""
        if position == self.known.position:
            if len(self._missed) >= _MISSED_KEPT:
                del self._missed[next(iter(self._missed))]
            self._missed[after] = message

    async def _advance(self) -> None:
        before = self.known.position
        read = await self._read(before.event_id)
        is_another_line = read.head.epoch != before.epoch or read.head.event_id < before.event_id
        if self._is_behind or is_another_line or len(read.entries) > _MOST_TOLD:
            await self._begin_anew()
            return
        if self.known.advance(read):
            self._put_in_place()
        if read.head != before:
            self._missed.clear()
            # Events that could not be signed are not sent again: all readers start over once there is a signer.
            self._is_behind = True
            await self._tell(read.entries, after=before.event_id)
            self._is_behind = False
        self._told = read.head, read.begun_at

    async def _begin_anew(self) -> None:
        """Switch to another epoch, or skip too many events: readers are sent to the documents."""
        before = self.known.position
        self._hold(await self._read(0))
        if self.known.position.epoch != before.epoch:
            self._indexes.let_go()  # nothing that was reserved in an ended epoch
        self._is_behind = False
        self._told = self.known.position, self.known.as_of
        self.readers.send(messages.resync(self.known.position), self.known.position)

    async def _forget_expired(self) -> None:
        """Drop expired entries: old bits become 0 again. It can wait for a quiet moment."""
        read = await self._read(0)
        if read.head == self.known.position:
            self._hold(read)

    def _hold(self, read: LogRead) -> None:
        self.known.begin_anew(read)
        self._rebuilt_at = self._clock()
        self._missed.clear()
        self._put_in_place()

    async def _read(self, after: int) -> LogRead:
        async def unit(tx: Transaction) -> LogRead:
            head = await tx.revocations.head()
            entries = await tx.revocations.after(after, tx.now)
            # Entries committed between the two readings belong to the next one.
            known = tuple(entry for entry in entries if entry.id <= head.event_id)
            return LogRead(head, tuple(await tx.status_lists.all()), known, begun_at)

        begun_at = time.monotonic()
        return await self._database.read(unit)

    async def _tell(self, entries: tuple[Revocation, ...], *, after: int) -> None:
        position = self.known.position
        self.readers.send(await self._event(list(entries), after=after, position=position), position)

    async def _event(self, entries: list[Revocation], *, after: int, position: Position) -> bytes:
        signer = self._keys.current.document_signer
        claims = revocation_event.claims(
            issuer=self._issuer,
            now=self._clock(),
            position=position,
            revoked=_revoked(entries, after=after, status_uri=f"{self._issuer}/status/"),
        )
        message = revocation_event.signing_input(claims, alg=signer.alg, kid=signer.kid)
        return messages.revoked(position, jws.assemble(message, await signer.sign(message)))

    def _put_in_place(self) -> None:
        """Publish the snapshot, and each list before a token names it; another node may just have opened the next."""
        known = self.known
        if SNAPSHOT_PATH not in self._documents:
            self._add(SNAPSHOT_PATH, self._render_snapshot, lambda: known.names_changed_at, _SNAPSHOT_SECONDS)
        for number in (*known.lists, max(known.lists, default=0) + 1):
            path = f"/status/{number}"
            if path not in self._documents:
                render, changed_at = partial(self._render_list, number), partial(known.list_changed_at, number)
                self._add(path, render, changed_at, self._ttl / 2)

    def _add(self, path: str, render: Render, changed_at: Callable[[], int], fresh_seconds: float) -> None:
        self._documents[path] = OnDemand(render, self.known, changed_at=changed_at, fresh_seconds=fresh_seconds)
        self._public.publish(path, self._documents[path])

    async def _render_list(self, number: int) -> PublicDocument:
        if number not in self.known.lists:
            await self.catch_up()
        if number not in self.known.lists:
            raise Refusal("not_found", "")
        signer, position, as_of = (
            self._keys.current.document_signer,
            self.known.position,
            int(self._by_the_store(self.known.as_of)),
        )
        claims = await asyncio.to_thread(
            status_list.claims,
            self.known.lists[number],
            iss=self._issuer,
            sub=f"{self._issuer}/status/{number}",
            iat=as_of,
            exp=as_of + _BELIEVED_SECONDS,
            ttl=self._ttl,
            epoch=position.epoch,
            event_id=position.event_id,
        )
        message = status_list.signing_input(claims, alg=signer.alg, kid=signer.kid)
        token = jws.assemble(message, await signer.sign(message))
        return self._public.make(token.encode(), status_list.MEDIA_TYPE, max_age=self._ttl)

    async def _render_snapshot(self) -> PublicDocument:
        signer, known, as_of = self._keys.current.document_signer, self.known, self._by_the_store(self.known.as_of)
        claims = Snapshot(
            iss=self._issuer,
            iat=int(as_of),
            exp=int(as_of) + _BELIEVED_SECONDS,
            epoch=known.position.epoch,
            event_id=known.position.event_id,
            jtis={jti: ends_at for jti, ends_at in known.jtis.items() if ends_at > as_of},
            kids=tuple(sorted(known.kids)),
        )
        message = revocation_snapshot.signing_input(claims, alg=signer.alg, kid=signer.kid)
        token = jws.assemble(message, await signer.sign(message))
        return self._public.make(token.encode(), revocation_snapshot.MEDIA_TYPE, max_age=1)


def _outcome_is_known(reading: asyncio.Task[None]) -> None:
    """Keep asyncio from logging an unhandled exception: a failed reading shows in `as_of`."""
    if not reading.cancelled():
        reading.exception()


def _revoked(entries: Iterable[Revocation], *, after: int, status_uri: str) -> Revoked:
    """The content of an event message for these entries; `status_uri` is the URI of lists without the number."""
    indexes: dict[int, list[int]] = {}
    jtis: dict[str, int] = {}
    kids: list[str] = []
    for entry in entries:
        if entry.status is not None:
            indexes.setdefault(entry.status.list, []).append(entry.status.idx)
        if entry.jti is not None:
            jtis[entry.jti] = int(entry.expires_at)
        if entry.kid is not None:
            kids.append(entry.kid)
    status = tuple((f"{status_uri}{number}", tuple(bits)) for number, bits in indexes.items())
    return Revoked(after=after, status=status, jtis=jtis, kids=tuple(kids))
