"""`GET /revocations`: server-sent events (HTML Living Standard §9.2) to any number of readers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gatepass.server.features.revocation_feed.places import StreamPlace
    from gatepass.tokens.revocation_event import Position

QUEUED_MESSAGES = 64
"""What may wait for one slow reader. One that is further behind is told to begin anew."""

_UNSIGNED = b": alive\n\n"
_END = b""


class _Hint(msgspec.Struct, frozen=True):
    epoch: str
    event_id: int


def hello(position: Position) -> bytes:
    """Where the line of events stands; not signed, so only a hint."""
    return _message("hello", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def resync(position: Position) -> bytes:
    """The reader has lost the thread: lists and snapshot are to be taken again."""
    return _message("resync", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def revoked(position: Position, token: str) -> bytes:
    """A signed event, with its position as the id from which a reader resumes."""
    return b"id: %s\n" % str(position).encode() + _message("revoked", token.encode())


def heartbeat(token: str) -> bytes:
    """How old what this node knows is, signed. In a comment, which who does not know it takes for a sign of life."""
    return b": heartbeat %s\n\n" % token.encode()


def _message(event: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


class Readers:
    """Everybody who is connected."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._queues)

    def join(self) -> asyncio.Queue[bytes]:
        """Begin to receive what is sent from now on."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_MESSAGES)
        if self._closing:
            queue.put_nowait(_END)
        self._queues.add(queue)
        return queue

    def leave(self, queue: asyncio.Queue[bytes]) -> None:
        """Receive no more."""
        self._queues.discard(queue)

    def send(self, message: bytes, position: Position) -> None:
        """Put a message before everybody; who cannot take it has lost the thread, and is told so instead."""
        for queue in self._queues:
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(resync(position))

    def keep_alive(self, message: bytes = _UNSIGNED) -> None:
        """Send a heartbeat, or at least a sign that the line is open; who has no room for it has messages to read."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(message)

    def close(self) -> None:
        """End every stream, and those to come: a server that shuts down does not wait for its readers."""
        self._closing = True
        for queue in self._queues:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(_END)


class EventStream(Response):
    """An answer that goes on until its reader leaves or the server ends."""

    def __init__(self, readers: Readers, queue: asyncio.Queue[bytes], first: bytes, place: StreamPlace) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"  # nginx would hold events back to fill a buffer
        self.headers["access-control-allow-origin"] = "*"
        self._readers = readers
        self._queue = queue
        self._first = first
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end."""
        if scope["method"] == "HEAD":
            self._first = _END
        watcher = asyncio.create_task(self._watch(receive))
        try:
            with self._place.held(self._end):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                message = self._first
                while message != _END:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                    message = await self._queue.get()
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._readers.leave(self._queue)
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        """Notice that the reader has gone."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    def _end(self) -> None:
        """Say no more; what waits is told to whoever comes again with the id of the last event."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(_END)
