"""Small charts of the last days, as bars of an inline SVG; the page has the numbers as a table too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT = 48
_WIDTH = 8
"""Of a day, with the gap to the next."""


class Bar(msgspec.Struct, frozen=True):
    """One bar: where it stands, and how high it is."""

    x: int
    y: int
    height: int


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Bars under a name, and their sum."""

    key: str
    total: int
    width: int
    height: int
    bars: tuple[Bar, ...]


def chart(key: str, counts: Sequence[int]) -> Chart:
    """Bars as high as the greatest count needs; a count that is not 0 can be seen."""
    most = max(counts, default=0) or 1
    heights = [max(2, round(HEIGHT * count / most)) if count else 0 for count in counts]
    bars = tuple(Bar(x=day * _WIDTH, y=HEIGHT - height, height=height) for day, height in enumerate(heights))
    return Chart(key=key, total=sum(counts), width=_WIDTH * len(counts), height=HEIGHT, bars=bars)
