"""Inspecting a SQLite write-ahead log from outside: SQLite takes the first damaged frame for its end.

<https://sqlite.org/fileformat2.html#the_write_ahead_log>
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_MAGIC = 0x377F0682
"""Its last bit means that checksums are of big-endian numbers."""


class _Sums(NamedTuple):
    one: int
    two: int

    def over(self, data: bytes, order: str) -> _Sums:
        """Continue with more octets, two numbers at a time."""
        one, two = self
        numbers = struct.unpack(f"{order}{len(data) // 4}I", data)
        for first, second in zip(numbers[::2], numbers[1::2], strict=True):
            one = one + first + two & 0xFFFFFFFF
            two = two + second + one & 0xFFFFFFFF
        return _Sums(one, two)


def frames_behind_damage(database: Path) -> int:
    """How many frames SQLite will ignore, because an earlier one, or the log's header, is damaged.

    Frames of an older log that were not overwritten yet do not count.
    """
    try:
        log = database.with_name(f"{database.name}-wal").read_bytes()
    except OSError:
        return 0
    if len(log) < _HEADER_BYTES:
        return 0
    magic, _, page_bytes, _, *salts, one, two = struct.unpack(">8I", log[:_HEADER_BYTES])
    order = ">" if magic & 1 else "<"
    size = _FRAME_HEADER_BYTES + page_bytes
    if magic & ~1 != _MAGIC or _Sums(0, 0).over(log[:24], order) != (one, two):
        return (len(log) - _HEADER_BYTES) // (_FRAME_HEADER_BYTES + 4_096) or 1
    frames = [log[start : start + size] for start in range(_HEADER_BYTES, len(log) - size + 1, size)]
    sums = _Sums(one, two)
    for number, frame in enumerate(frames):
        *frame_salts, told_one, told_two = struct.unpack(">4I", frame[8:24])
        if frame_salts != salts:
            return 0
        sums = sums.over(frame[:8], order).over(frame[24:], order)
        if sums != (told_one, told_two):
            return sum(list(struct.unpack(">2I", each[8:16])) == salts for each in frames[number:])
    return 0
