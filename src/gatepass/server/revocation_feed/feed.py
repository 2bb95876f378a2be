"""The feed: follows the log, keeps the documents, and tells the readers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gatepass.jose import jws
from gatepass.server.errors import Unavailable
from gatepass.server.revocation_feed import stream
from gatepass.server.revocation_feed.stream import EventStream, Readers
from gatepass.server.revocations.known import KnownRevocations, LogRead
from gatepass.server.web.auth import ANYONE
from gatepass.server.web.routing import Route
from gatepass.tokens import revocation_event, revocation_snapshot, status_list
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.revocation_snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.clock import Clock
    from gatepass.server.keys.keyring import LiveKeys
    from gatepass.server.revocation_feed.places import Places
    from gatepass.server.revocations.log import Revocation
    from gatepass.server.settings import Settings
    from gatepass.server.transaction import Database, Transaction

    Publish = Callable[[str, str, str, int], None]
    """path, body, media type, max-age in seconds: puts a public document in place."""

SNAPSHOT_PATH = "/revocations/snapshot"
STREAM_PATH = "/revocations"
_MOST_TOLD = 10_000
"""Revocations in one event. Whoever missed more takes the documents again; an event of any size would have no bound."""
_BELIEVED_SECONDS = 86_400
"""`exp` of lists and the snapshot: a reader that cannot get a newer one for so long must not go on believing."""


class RevocationFeed:
    """The flow. `start` it before serving, and call `catch_up` whenever the database has changed."""

    def __init__(  # noqa: PLR0913 - a flow is handed what it works with
        self,
        database: Database,
        *,
        keys: LiveKeys,
        settings: Settings,
        clock: Clock,
        publish: Publish,
        on_new_epoch: Callable[[], None],
        places: Places,
    ) -> None:
        self.readers = Readers()
        self._database = database
        self._keys = keys
        self._issuer = settings.issuer_url
        self._ttl = settings.status_list_seconds
        self._clock = clock
        self._publish = publish
        self._on_new_epoch = on_new_epoch
        self._places = places
        self._catching_up = asyncio.Lock()
        self._rendered_at = 0.0
        self._is_behind = False
        self.known = KnownRevocations()

    def routes(self) -> tuple[Route, ...]:
        """The one call that is no document."""
        return (
            Route(
                method="GET",
                path=STREAM_PATH,
                handler=self.follow,
                auth=ANYONE,
                summary="Follow what is revoked",
                answers={200: None},
                problems=("invalid_client", "too_many_streams"),
            ),
        )

    async def start(self) -> None:
        """Read everything, and put the documents in place."""
        async with self._catching_up:
            await self._begin_anew()

    async def catch_up(self) -> None:
        """Read what is new, tell the readers, and render what it changed."""
        async with self._catching_up:
            await self._advance()

    async def renew(self) -> None:
        """Render everything anew from the log, so that copies can be told to be fresh, and old bits are 0 again."""
        async with self._catching_up:
            await self._advance()
            read = await self._read(0)
            if read.head == self.known.position:
                self.known.begin_anew(read)
            await self._render_everything()

    async def follow(self, request: Request, _body: None) -> Response:
        """Join the readers; first of all the reader is told what it has missed."""
        asked = request.headers.get("last-event-id") or request.query_params.get("after", "")
        place = await self._places.take(request)
        queue, position = self.readers.join(), self.known.position
        try:
            return EventStream(self.readers, queue, await self._welcome(Position.parse(asked), position), place)
        except BaseException:
            self.readers.leave(queue)
            place.give_back()
            raise

    async def _welcome(self, asked: Position | None, position: Position) -> bytes:
        if asked is None or asked == position:
            return stream.hello(position)
        if asked.epoch != position.epoch or asked.event_id > position.event_id:
            return stream.resync(position)
        read = await self._read(asked.event_id)
        entries = [entry for entry in read.entries if entry.id <= position.event_id]
        if len(entries) > _MOST_TOLD:
            return stream.resync(position)
        return stream.hello(position) + await self._event(entries, after=asked.event_id, position=position)

    async def _advance(self) -> None:
        try:
            await self._tell_what_is_new()
        except Unavailable:
            # What was read and could not be signed is not told twice, so begin anew as soon as it can be.
            self._is_behind = True
            raise

    async def _tell_what_is_new(self) -> None:
        before = self.known.position
        read = await self._read(before.event_id)
        is_another_line = read.head.epoch != before.epoch or read.head.event_id < before.event_id
        if self._is_behind or is_another_line or len(read.entries) > _MOST_TOLD:
            await self._begin_anew()
        elif read.head != before or set(read.lists) != set(self.known.lists):
            changed = self.known.advance(read)
            if read.head != before:
                await self._tell(read.entries, after=before.event_id)
                await self._render_snapshot()
            for number in sorted(changed):
                await self._render_list(number)
        else:
            self.known.as_of = read.begun_at

    async def _begin_anew(self) -> None:
        """Take over another epoch, or too much at once. It stands in the documents, so readers are sent there."""
        before = self.known.position
        self.known.begin_anew(await self._read(0))
        if self.known.position.epoch != before.epoch:
            self._on_new_epoch()
        await self._render_everything()
        self._is_behind = False
        self.readers.send(stream.resync(self.known.position), self.known.position)

    async def _render_everything(self) -> None:
        await self._render_snapshot()
        for number in self.known.lists:
            await self._render_list(number)

    async def _read(self, after: int) -> LogRead:
        async def unit(tx: Transaction) -> LogRead:
            head = await tx.revocations.head()
            entries = await tx.revocations.after(after, tx.now)
            # What was committed between the two readings belongs to the next one.
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
        return stream.revoked(position, jws.assemble(message, await signer.sign(message)))

    async def _render_list(self, number: int) -> None:
        signer, position, now = self._keys.current.document_signer, self.known.position, int(self._clock())
        claims = await asyncio.to_thread(
            status_list.claims,
            self.known.lists[number],
            iss=self._issuer,
            sub=f"{self._issuer}/status/{number}",
            iat=now,
            exp=now + _BELIEVED_SECONDS,
            ttl=self._ttl,
            epoch=position.epoch,
            event_id=position.event_id,
        )
        message = status_list.signing_input(claims, alg=signer.alg, kid=signer.kid)
        token = jws.assemble(message, await signer.sign(message))
        self._publish(f"/status/{number}", token, status_list.MEDIA_TYPE, self._ttl)

    async def _render_snapshot(self) -> None:
        signer, state, now = self._keys.current.document_signer, self.known, int(self._clock())
        claims = Snapshot(
            iss=self._issuer,
            iat=now,
            exp=now + _BELIEVED_SECONDS,
            epoch=state.position.epoch,
            event_id=state.position.event_id,
            jtis=dict(state.jtis),
            kids=tuple(sorted(state.kids)),
        )
        message = revocation_snapshot.signing_input(claims, alg=signer.alg, kid=signer.kid)
        token = jws.assemble(message, await signer.sign(message))
        self._publish(SNAPSHOT_PATH, token, revocation_snapshot.MEDIA_TYPE, 1)


def _revoked(entries: Iterable[Revocation], *, after: int, status_uri: str) -> Revoked:
    """What an event message says of these entries; `status_uri` is where lists lie, without the number."""
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
    status = tuple((f"{status_uri}{number}", tuple(places)) for number, places in indexes.items())
    return Revoked(after=after, status=status, jtis=jtis, kids=tuple(kids))
