"""Records of files, one after another: lines of JSON, arrays in a JSON document, CSV, tables of SQLite.

A file is never read as a whole, and its lines are counted, so that a record that cannot be imported can be found.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_BYTES = 1 << 18
"""Of one record."""
DEPTH = 24
_CHUNK = 1 << 16
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|["{}\[\],]', re.DOTALL)
"""A whole string, a lone quote where a string goes on after what was read so far, or a character that structures."""
_BRACKET = re.compile(rb'(?>[^"{}\[\]]+|' + _STRING + rb")*+[{}\[\]]", re.DOTALL)
"""All up to the next bracket that is in no string."""


def decoded(text: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Refusal: `invalid_body`, also for a duplicate member, of which the last would win silently.
    """
    try:
        return decode_object(text, DEPTH)
    except MalformedError as error:
        raise Refusal("invalid_body", "The record is not a JSON object, or has a duplicate member.") from error


def lines_of(path: Path) -> Iterator[tuple[int, bytes | Refusal]]:
    """The lines that are not blank."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MOST_BYTES):
            number += 1
            if len(line) == MOST_BYTES and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_BYTES)
                yield number, _too_long()
            elif text := line.strip().removeprefix(b"\xef\xbb\xbf"):
                yield number, text


def elements_of(path: Path, *members: str) -> Iterator[tuple[int, bytes | Refusal]]:
    """The elements of the array that is the document, or of arrays that are members of the object that it is."""
    wanted = {f'"{member}"'.encode() for member in members}
    with path.open("rb") as file:
        for line, name, element in _split(file, level=2 if members else 1):
            if name in wanted or not members or isinstance(element, Refusal):
                yield line, element


def _split(file: BinaryIO, level: int) -> Iterator[tuple[int, bytes, bytes | Refusal]]:
    """Each element of the arrays at a level of nesting, with its line and the name of the array."""
    splitter = _Splitter(level)
    while chunk := file.read(_CHUNK):
        yield from splitter.feed(chunk)
        if splitter.pending > MOST_BYTES:
            yield splitter.line, b"", _too_long()
            return
    if not splitter.is_done:
        yield splitter.line, b"", Refusal("invalid_body", "The file is not JSON, or ends in the middle.")


class _Splitter:
    """Finds where the elements of arrays begin and end. What is in them is not looked at."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._buffer = b""
        self._start = 0  # of the element
        self._position = 0  # of what is not yet read
        self._counted = 0  # up to here, for the line
        self._line = 1
        self._name = b""
        self._nested: list[bytes] = []
        self._has_begun = False

    @property
    def pending(self) -> int:
        """How many bytes are kept, because an element or a string has not ended."""
        return len(self._buffer) - self._start

    @property
    def is_done(self) -> bool:
        """Whether there was a whole document."""
        return self._has_begun and not self._nested

    @property
    def line(self) -> int:
        """The line of what is not yet read."""
        return self._line_at(self._position)

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes, bytes]]:
        """The elements that end in these bytes."""
        self._line_at(self._start)
        self._buffer = self._buffer[self._start :] + chunk
        self._position -= self._start
        self._counted = self._start = 0
        while found := self._next():
            self._position = found.end()
            name = self._name
            line, text = self._read(found[0])
            if text:
                yield line, name, text
        if not self._is_in_array:  # nothing of what stands there is needed
            self._start = self._position

    def _next(self) -> re.Match[bytes] | None:
        if len(self._nested) > self._level:
            return _BRACKET.match(self._buffer, self._position)
        found = _TOKEN.search(self._buffer, self._position)
        return None if found is None or found[0] == b'"' else found

    @property
    def _is_in_array(self) -> bool:
        return len(self._nested) >= self._level and self._nested[self._level - 1] == b"["

    def _read(self, token: bytes) -> tuple[int, bytes]:
        """The line and the text of the element that ends with this token; no text where none does."""
        last, depth = token[-1:], len(self._nested)
        if last in (b"}", b"]", b","):
            return self._separated(last)
        if last in (b"{", b"["):
            self._has_begun = True
            self._nested.append(last)
            if depth < self._level:
                self._start = self._position
        elif depth < self._level:
            self._name = token
        return 0, b""

    def _separated(self, by: bytes) -> tuple[int, bytes]:
        line, text = 0, b""
        is_end = len(self._nested) == self._level and self._is_in_array
        if is_end:
            text = self._buffer[self._start : self._position - 1].lstrip()
            line = self._line_at(self._position - 1 - len(text))
        if by != b"," and self._nested:
            self._nested.pop()
        if is_end or len(self._nested) < self._level:
            self._start = self._position
        return line, text.rstrip()

    def _line_at(self, position: int) -> int:
        self._line += self._buffer.count(b"\n", self._counted, position)
        self._counted = max(self._counted, position)
        return self._line


def rows_of_csv(path: Path) -> Iterator[tuple[int, dict[str, str] | Refusal]]:
    """The rows of a CSV file with a head."""
    csv.field_size_limit(MOST_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            head = next(rows, list[str]())
            for row in rows:
                if len(row) == len(head):
                    yield rows.line_num, dict(zip(head, row, strict=True))
                elif row:
                    yield (
                        rows.line_num,
                        Refusal("invalid_body", f"The row has {len(row)} fields, and the head {len(head)}."),
                    )
        except (csv.Error, UnicodeDecodeError) as error:
            yield rows.line_num + 1, Refusal("invalid_body", f"The rest of the file cannot be read: {error}.")


def rows_of_sqlite(path: Path, query: str) -> Iterator[tuple[int, dict[str, Any] | Refusal]]:
    """The rows that a query finds in an SQLite file, which is opened for reading only."""
    with closing(_opened(path)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            for number, row in enumerate(connection.execute(query), start=1):
                yield number, dict(row)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            yield 0, Refusal("invalid_body", f"The tables cannot be read: {error}.")


def tables_of(path: Path) -> dict[str, frozenset[str]]:
    """The tables of an SQLite file, and their columns."""
    with closing(_opened(path)) as connection:
        names = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: frozenset(str(row[0]) for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,)))
            for name in names
        }


def quoted(name: str) -> str:
    """The name of a table in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _too_long() -> Refusal:
    return Refusal("invalid_body", f"A record has at most {MOST_BYTES} bytes.")
