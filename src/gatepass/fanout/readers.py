"""The readers of a stream: each message is framed once, and one loop writes the same octets to every connection.

A task for each reader, or a call through ASGI for each message, costs several times what the system's `send` does.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.fanout import messages

if TYPE_CHECKING:
    from gatepass.tokens.revocation_event import Position

QUEUED_MESSAGES = 64
"""How many messages wait for a reader whose connection we do not have. One further behind has to start over."""

UNREAD_BYTES = 64 * 1024
"""How much may wait at a connection, beyond what the system takes. A reader further behind has to start over."""

TRANSPORT = "gatepass.transport"
"""The ASGI extension by which our HTTP edge hands over the connection of a request. Other servers have none."""

END = b""

LAST_CHUNK = b"0\r\n\r\n"


def chunk(octets: bytes) -> bytes:
    """One chunk of a body of unknown length (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(octets), octets)


class Mailbox:
    """What waits for one reader. Only its own event loop may use it.

    Once the reader's connection is known, everything is written there; without one, whoever sends waits for `take`.
    """

    __slots__ = ("_is_closed", "_messages", "_owed", "_transport", "_waiting")

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._owed = b""
        self._is_closed = False

    def put(self, message: bytes, framed: bytes) -> bool:
        """Add a message; False if too much waits already.

        Args:
            message: The message.
            framed: The same as a chunk.
        """
        transport = self._transport
        if transport is None:
            return self._keep(message)
        unread = transport.get_write_buffer_size()
        if self._owed:
            if not unread:
                transport.write(self._owed)
                self._owed = b""
            return True  # it has to start over, so it needs nothing else
        if unread > UNREAD_BYTES:
            return False
        transport.write(framed)
        return True

    def put_alone(self, message: bytes) -> None:
        """Send this in place of all that has not been sent, as soon as the reader has read the rest."""
        if self._transport is not None:
            self._owed = chunk(message)
            return
        self._messages.clear()
        self._keep(message)

    def _keep(self, message: bytes) -> bool:
        if len(self._messages) >= QUEUED_MESSAGES:
            return False
        self._messages.append(message)
        if self._waiting is not None:
            self._wake()
        return True

    def attach(self, transport: asyncio.Transport) -> None:
        """Write everything to a connection from now on, in chunks; first what waits."""
        if self._is_closed:
            return
        self._transport = transport
        if self._messages:
            transport.write(chunk(b"".join(self._messages)))
            self._messages.clear()

    def close(self) -> None:
        """End it; what waits is dropped."""
        self._is_closed, self._transport = True, None
        self._messages.clear()
        if self._waiting is not None:
            self._wake()

    async def take(self) -> bytes:
        """All that waits, at least one message; nothing at the end, which is all there is with a connection."""
        while not self._messages and not self._is_closed:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        taken = b"".join(self._messages) if not self._is_closed else END
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
        """Send a message to all readers; one for whom too much waits is told to resync instead."""
        framed = chunk(message)
        for mailbox in self._mailboxes:
            if not mailbox.put(message, framed):
                mailbox.put_alone(messages.resync(position))

    def keep_alive(self, message: bytes = messages.ALIVE) -> None:
        """Send a heartbeat, or at least a keep-alive; readers for whom much waits have messages to read anyway."""
        framed = chunk(message)
        for mailbox in self._mailboxes:
            mailbox.put(message, framed)

    def close(self) -> None:
        """End every stream, now and from now on: a shutdown does not wait for readers."""
        self._closing = True
        for mailbox in self._mailboxes:
            mailbox.close()
