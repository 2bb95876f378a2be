"""Parsing server-sent events (HTML Living Standard §9.2.6), without I/O and with bounded memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 512 * 1024
"""The maximum size of a message."""

_BOM = "\ufeff"
"""A byte order mark may come first, and is ignored."""

COMMENT = ""
"""The event name used for comments; no event has it."""

_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)


class MessageTooLongError(Exception):
    """A message is too long."""


class Message(NamedTuple):
    """An event, or a comment.

    Attributes:
        event: The event's name; `COMMENT` for a comment.
        data: What it says.
    """

    event: str
    data: str


class Parser:
    """Reads one stream."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Begin a stream.

        Args:
            max_bytes: What one message may hold.
        """
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._has_begun = False
        self._scanned = 0
        self._held = 0
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Parse bytes, and yield complete messages. A message without a final empty line is dropped.

        Raises:
            MessageTooLongError: A message is longer than it may be.
        """
        self._rest += chunk
        start = 0
        while end := _END_OF_LINE.search(self._rest, max(start, self._scanned)):
            line = self._rest[start : end.start()].decode("utf-8", "replace")
            if not self._has_begun:
                self._has_begun, line = True, line.removeprefix(_BOM)
            start = end.end()
            self._held += len(line)
            if self._held > self._max_bytes:
                raise MessageTooLongError
            message = self._line(line)
            if message is not None:
                yield message
        del self._rest[:start]
        # A final carriage return may be half of a line end, so it is parsed again.
        self._scanned = max(0, len(self._rest) - 1)
        if self._held + len(self._rest) > self._max_bytes:
            raise MessageTooLongError

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            self._held -= len(line)
            return Message(COMMENT, line[1:].strip())
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._event = value
        elif field == "data":
            self._data.append(value)
        return None

    def _dispatch(self) -> Message | None:
        message = Message(self._event or "message", "\n".join(self._data)) if self._data else None
        self._event, self._held = "", 0
        self._data.clear()
        return message
