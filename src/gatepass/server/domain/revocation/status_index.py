"""A place in a status list of ours: what grants and clients are given, and what a revocation names."""

from __future__ import annotations

import msgspec


class StatusIndex(msgspec.Struct, frozen=True, order=True):
    """The number of the list, and the place in it."""

    list: int
    idx: int
