"""The readers of a stream: what each gets, in which order, when it reads, and when it does not."""

from __future__ import annotations

import asyncio

import pytest

from gatepass.fanout import messages, readers
from gatepass.fanout.readers import END, QUEUED_MESSAGES, UNREAD_BYTES, Readers, chunk
from gatepass.tokens.revocation_event import Position

AT = Position("e1", 7)


class Connection(asyncio.Transport):
    """A connection whose other side reads when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.read = b""
        self.unread = b""

    def write(self, data: bytes) -> None:  # type: ignore[override] # bytes are all that is written
        """Take."""
        self.unread += data

    def get_write_buffer_size(self) -> int:
        """How much has not been read."""
        return len(self.unread)

    def drain(self) -> bytes:
        """Read all."""
        read, self.unread = self.unread, b""
        self.read += read
        return read


def test_what_waits_comes_first() -> None:
    """Messages from before the connection was known are written in one chunk, then each in its own."""
    there, connection = Readers(), Connection()
    mailbox = there.join()
    there.send(b"one", AT)
    there.keep_alive(b"two")
    mailbox.attach(connection)
    there.send(b"three", AT)
    assert connection.drain() == chunk(b"onetwo") + chunk(b"three")


def test_a_reader_that_does_not_read_has_to_start_over() -> None:
    """What it has not read stays, what would come after is dropped, and it is told so once it has caught up."""
    there, slow, quick = Readers(), Connection(), Connection()
    for connection in (slow, quick):
        there.join().attach(connection)
    big = b"x" * UNREAD_BYTES
    for _ in range(5):
        there.send(big, AT)
        quick.drain()
    assert slow.unread == chunk(big)
    there.keep_alive()
    assert slow.unread == chunk(big)
    slow.drain()
    there.keep_alive()
    assert slow.drain() == chunk(messages.resync(AT))
    there.send(b"next", AT)
    assert slow.drain() == chunk(b"next")
    assert quick.read == chunk(big) * 5
    assert quick.drain() == chunk(messages.ALIVE) * 2 + chunk(b"next")


def test_a_heartbeat_never_makes_a_reader_start_over() -> None:
    """It is left out for whoever has much to read anyway."""
    there, slow = Readers(), Connection()
    there.join().attach(slow)
    there.send(b"x" * (UNREAD_BYTES + 1), AT)
    there.keep_alive()
    slow.drain()
    there.send(b"next", AT)
    assert slow.drain() == chunk(b"next")


def test_a_reader_without_a_connection_of_ours() -> None:
    """Messages wait to be taken, up to a number; then only the order to start over waits."""
    there = Readers()
    mailbox = there.join()

    async def take() -> bytes:
        return await mailbox.take()

    there.send(b"one", AT)
    there.send(b"two", AT)
    assert asyncio.run(take()) == b"onetwo"
    for _ in range(QUEUED_MESSAGES + 1):
        there.send(b"more", AT)
    assert asyncio.run(take()) == messages.resync(AT)


@pytest.mark.parametrize("is_attached", [True, False])
def test_the_end(*, is_attached: bool) -> None:
    """Whoever waits is woken, nothing more is written, and nobody joins any more."""
    there, connection = Readers(), Connection()

    async def ends() -> list[bytes]:
        mailbox = there.join()
        if is_attached:
            mailbox.attach(connection)
        waiting = asyncio.create_task(mailbox.take())
        await asyncio.sleep(0)
        there.close()
        there.send(b"late", AT)
        late = there.join()
        late.attach(connection)
        return [await waiting, await late.take()]

    assert asyncio.run(ends()) == [END, END]
    assert connection.unread == b""


def test_a_reader_that_has_left() -> None:
    """It gets nothing, and is not counted."""
    there, connection = Readers(), Connection()
    mailbox = there.join()
    mailbox.attach(connection)
    assert len(there) == 1
    there.leave(mailbox)
    there.send(b"late", AT)
    assert (len(there), connection.unread) == (0, b"")


def test_a_chunk_is_a_chunk() -> None:
    """RFC 9112 §7.1: the size in hexadecimal digits, and the octets."""
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert readers.LAST_CHUNK == b"0\r\n\r\n"
