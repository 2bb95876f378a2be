"""`GET /revocations`: server-sent events (HTML Living Standard §9.2) to any number of readers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gatepass.server.features.revocation_feed.stream_slots import StreamSlot
    from gatepass.tokens.revocation_event import Position

QUEUED_MESSAGES = 64
"""The buffer of one slow reader. A reader further behind has to start over."""

_UNSIGNED = b": alive\n\n"
_END = b""


class _Hint(msgspec.Struct, frozen=True):
    epoch: str
    event_id: int


def hello(position: Position) -> bytes:
    """The current position; unsigned, so only a hint."""
    return _message("hello", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def resync(position: Position) -> bytes:
    """The reader has missed events: it must fetch lists and snapshot again."""
    return _message("resync", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def revoked(position: Position, token: str) -> bytes:
    """A signed event, with its position as the id from which a reader resumes."""
    return b"id: %s\n" % str(position).encode() + _message("revoked", token.encode())


def heartbeat(token: str) -> bytes:
    """A signed heartbeat with the age of this node's data. As a comment, it is a keep-alive for other clients."""
    return b": heartbeat %s\n\n" % token.encode()


def _message(event: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


class Mailbox:
    """What waits for one reader, and the reader while it waits. Only its own event loop may use it.

    An `asyncio.Queue` would do; it takes three times as long, a thousand times for each event.
    """

    __slots__ = ("_is_closed", "_messages", "_waiting")

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None
        self._is_closed = False

    def put(self, message: bytes) -> bool:
        """Add a message; False if the buffer is full."""
        if len(self._messages) >= QUEUED_MESSAGES:
            return False
        self._messages.append(message)
        if self._waiting is not None:
            self._wake()
        return True

    def put_alone(self, message: bytes) -> None:
        """Replace all that waits."""
        self._messages.clear()
        self.put(message)

    def close(self) -> None:
        """End it; what waits is dropped."""
        self._is_closed = True
        self._messages.clear()
        if self._waiting is not None:
            self._wake()

    async def take(self) -> bytes:
        """All that waits, at least one message; nothing at the end."""
        while not self._messages and not self._is_closed:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        taken = b"".join(self._messages) if not self._is_closed else _END
        self._messages.clear()
        return taken

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():  # the task may have been cancelled
            waiting.set_result(None)


class Readers:
    """The connected readers."""

    def __init__(self) -> None:
        self._mailboxes: set[Mailbox] = set()
        self._closing = False

    def __len__(self) -> int:
        return len(self._mailboxes)

    def join(self) -> Mailbox:
        """Start receiving messages."""
        mailbox = Mailbox()
        if self._closing:
            mailbox.close()
        self._mailboxes.add(mailbox)
        return mailbox

    def leave(self, mailbox: Mailbox) -> None:
        """Stop receiving messages."""
        self._mailboxes.discard(mailbox)

    def send(self, message: bytes, position: Position) -> None:
        """Send a message to all readers; one whose buffer is full is told to resync instead."""
        for mailbox in self._mailboxes:
            if not mailbox.put(message):
                mailbox.put_alone(resync(position))

    def keep_alive(self, message: bytes = _UNSIGNED) -> None:
        """Send a heartbeat, or at least a keep-alive; readers with full buffers have messages to read anyway."""
        for mailbox in self._mailboxes:
            mailbox.put(message)

    def close(self) -> None:
        """End every stream, now and from now on: a shutdown does not wait for readers."""
        self._closing = True
        for mailbox in self._mailboxes:
            mailbox.close()


class EventStream(Response):
    """A response that lasts until its reader disconnects or the server ends."""

    def __init__(self, readers: Readers, mailbox: Mailbox, first: bytes, slot: StreamSlot) -> None:
        super().__init__(media_type="text/event-stream")
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"  # nginx would buffer events
        self.headers["access-control-allow-origin"] = "*"
        self._readers = readers
        self._mailbox = mailbox
        self._first = first
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send messages until the end."""
        if scope["method"] == "HEAD":
            self._first = _END
        watcher = asyncio.create_task(self._watch(receive))
        try:
            with self._slot.held(self._end):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                message = self._first
                while message != _END:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                    message = await self._mailbox.take()
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._readers.leave(self._mailbox)
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        """Wait until the reader disconnects."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self._end()

    def _end(self) -> None:
        """Stop; a reader that reconnects with the id of its last event gets what was waiting."""
        self._mailbox.close()
