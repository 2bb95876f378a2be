"""Common passwords, which are guessed first: from lists, keyboard patterns, and the user's own data."""

from __future__ import annotations

import re
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST_UNIT = 4
"""Characters; a repetition of something shorter is as easy to guess."""
_SHORTEST_WORD = 4
"""The minimum length of a word from the context that counts."""
_FEWEST_OWN = 8
"""The minimum number of other characters that a password needs."""
_ROWS = ("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "1qaz2wsx3edc4rfv5tgb")
_LINES = tuple(line for row in _ROWS for line in (row * 12, row[::-1] * 12))
_WORDS = re.compile(r"[^\W_]+")
_PADDING = re.compile(r"^[\d\W_]+|[\d\W_]+$")


@cache
def common_passwords() -> frozenset[str]:
    """About 37,000 passwords in lower case (`scripts/common_passwords.py` names the sources)."""
    packed = files("gatepass.server.domain.credentials.passwords").joinpath("common_passwords.zz").read_bytes()
    return frozenset(zlib.decompress(packed).decode("ascii").split("\n"))


def is_common(password: str) -> bool:
    """Whether the password is on the list, repeats or pads an entry, or runs along an alphabet or a keyboard."""
    word = _smallest_unit(password.lower())
    return (
        len(word) <= _SHORTEST_UNIT
        or word in common_passwords()
        or _PADDING.sub("", word) in common_passwords()
        or any(word in line for line in _LINES)
    )


def is_made_of(password: str, texts: Iterable[str]) -> bool:
    """Whether too little of the password is left without the words of the email address and the service's name."""
    rest = password.lower()
    words = {word for text in map(str.lower, texts) for word in (text.split("@")[0], *_WORDS.findall(text))}
    known = sorted((word for word in words if len(word) >= _SHORTEST_WORD), key=len, reverse=True)
    for word in known:
        rest = rest.replace(word, "")
    return rest != password.lower() and len(rest) < _FEWEST_OWN


def _smallest_unit(text: str) -> str:
    """The shortest unit that the text is a repetition of; usually the text itself."""
    length = (text + text).find(text, 1)
    return text[:length]
