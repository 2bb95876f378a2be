"""`GET /revocations`: server-sent events (HTML Living Standard §9.2) to any number of readers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from gatepass.fanout.readers import END, TRANSPORT

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from gatepass.fanout.readers import Mailbox, Readers
    from gatepass.server.features.revocation_feed.stream_slots import StreamSlot


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
        """Send messages until the end: once it has begun straight to the connection, if the server hands that over."""
        if scope["method"] == "HEAD":
            self._first = END
        extensions: dict[str, Any] = scope.get("extensions") or {}
        handed_over = extensions.get(TRANSPORT)
        watcher = asyncio.create_task(self._watch(receive))
        try:
            with self._slot.held(self._end):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                message = self._first
                while message != END:
                    await send({"type": "http.response.body", "body": message, "more_body": True})
                    if handed_over is not None:
                        self._mailbox.attach(handed_over["transport"])
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
