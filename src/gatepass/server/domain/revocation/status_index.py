"""A position in one of our status lists: given to grants and clients, and named by revocations."""

from __future__ import annotations

import msgspec


class StatusIndex(msgspec.Struct, frozen=True, order=True):
    """The number of the list, and the index in it."""

    list: int
    idx: int
