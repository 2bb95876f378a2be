"""Passwords that whoever guesses tries first: leaked ones, what keyboards suggest, and what is known of the person."""

from __future__ import annotations

import re
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHORTEST_UNIT = 4
"""Characters; what repeats something shorter is as good as that."""
_SHORTEST_WORD = 4
"""Characters of a word of the person's that counts."""
_FEWEST_OWN = 8
"""Characters that a password needs besides such words."""
_ROWS = ("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "1qaz2wsx3edc4rfv5tgb")
_LINES = tuple(line for row in _ROWS for line in (row * 12, row[::-1] * 12))
_WORDS = re.compile(r"[^\W_]+")
_PADDING = re.compile(r"^[\d\W_]+|[\d\W_]+$")


@cache
def common_passwords() -> frozenset[str]:
    """Some 37,000 in lower case (`scripts/common_passwords.py` says whose lists they are)."""
    packed = files("gatepass.server.domain.credentials.passwords").joinpath("common_passwords.zz").read_bytes()
    return frozenset(zlib.decompress(packed).decode("ascii").split("\n"))


def is_common(password: str) -> bool:
    """Whether it is on the list, only repeats or pads what is there, or runs along an alphabet or a keyboard."""
    word = _smallest_unit(password.lower())
    return (
        len(word) <= _SHORTEST_UNIT
        or word in common_passwords()
        or _PADDING.sub("", word) in common_passwords()
        or any(word in line for line in _LINES)
    )


def is_made_of(password: str, texts: Iterable[str]) -> bool:
    """Whether too little is left of it without the words of these texts: an e-mail address, the name of the service."""
    rest = password.lower()
    words = {word for text in map(str.lower, texts) for word in (text.split("@")[0], *_WORDS.findall(text))}
    known = sorted((word for word in words if len(word) >= _SHORTEST_WORD), key=len, reverse=True)
    for word in known:
        rest = rest.replace(word, "")
    return rest != password.lower() and len(rest) < _FEWEST_OWN


def _smallest_unit(text: str) -> str:
    """What the text is a whole number of repetitions of; mostly itself."""
    length = (text + text).find(text, 1)
    return text[:length]
