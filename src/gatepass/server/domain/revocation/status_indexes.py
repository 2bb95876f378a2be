"""Allocating indexes in status lists: each is used once, in an order that does not reveal how many there are.

A list's indexes are the values of a counter, put through a permutation whose key only the server knows. A process
reserves the counter in blocks, so that a sign-in needs no statement for its index.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.tokens.status_list import SIZE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction

BLOCK = 128
"""How many indexes a process reserves at once: permuting them takes about a millisecond."""
_HALF_BITS = 10
_HALF = (1 << _HALF_BITS) - 1
_ROUNDS = 4  # enough rounds for a strong pseudo-random permutation (Luby and Rackoff)
_KEY_BYTES = 32
assert SIZE == 1 << 2 * _HALF_BITS


class Block(msgspec.Struct, frozen=True):
    """A range of a list's counter that is reserved for this process."""

    list: int
    sealed_key: bytes
    first: int
    count: int


class StatusLists(Protocol):
    """The store of lists and their counters."""

    async def reserve(self, count: int, *, new_sealed_key: Callable[[int], bytes], now: float) -> Block:
        """Reserve the next values of the open list's counter.

        A new list is opened if the current one is nearly full or from another epoch, because a restored store may have
        forgotten which indexes it gave out. The old lists stay published.
        """
        ...

    async def all(self) -> list[int]:
        """Every list."""
        ...


class ListKeys:
    """The keys of the permutations, stored sealed; the caller provides `seal` and `unseal`."""

    def __init__(self, seal: Callable[[bytes, str], bytes], unseal: Callable[[bytes, str], bytes]) -> None:
        self._seal = seal
        self._unseal = unseal

    def new_sealed_key(self, number: int) -> bytes:
        """Make the key of a new list."""
        return self._seal(os.urandom(_KEY_BYTES), _context(number))

    def indexes(self, block: Block) -> list[StatusIndex]:
        """The indexes of a block."""
        key = self._unseal(block.sealed_key, _context(block.list))
        counters = range(block.first, block.first + block.count)
        return [StatusIndex(block.list, permuted(counter, key)) for counter in counters]


def _context(number: int) -> str:
    return f"status list {number}"


class StatusIndexes:
    """Allocates indexes from blocks, each reserved by `reserve` in its own transaction."""

    def __init__(self, reserve: Callable[[], Awaitable[list[StatusIndex]]]) -> None:
        self._reserve = reserve
        self._lock = asyncio.Lock()
        self._left: list[StatusIndex] = []

    async def next(self) -> StatusIndex:
        """A new index. Raises as the database does."""
        while not self._left:
            async with self._lock:
                if not self._left:
                    self._left = await self._reserve()
        return self._left.pop()

    def let_go(self) -> None:
        """Discard the reserved blocks, because a restored store may reserve the same range for others."""
        self._left = []


def permuted(counter: int, key: bytes) -> int:
    """Map a counter below 2^20 to an index, one to one: a Feistel network of two halves of 10 bits."""
    left, right = counter >> _HALF_BITS, counter & _HALF
    for turn in range(_ROUNDS):
        mixed = hmac.digest(key, bytes((turn, right >> 8, right & 0xFF)), "sha256")
        left, right = right, left ^ (int.from_bytes(mixed[:2], "big") & _HALF)
    return left << _HALF_BITS | right


async def _do_nothing() -> None:
    """Do nothing."""


def status_indexes(
    database: Database, data_key: DataKey, *, on_reserved: Callable[[], Awaitable[None]] = _do_nothing
) -> StatusIndexes:
    """The status indexes of this process, reserved block by block; `on_reserved` runs after each."""
    lists = list_keys(data_key)

    async def reserve() -> list[StatusIndex]:
        async def unit(tx: Transaction) -> Block:
            return await tx.status_lists.reserve(BLOCK, new_sealed_key=lists.new_sealed_key, now=tx.now)

        block = await database.transaction(unit)
        await on_reserved()
        return lists.indexes(block)

    return StatusIndexes(reserve)


def list_keys(data_key: DataKey) -> ListKeys:
    """The permutation keys of the status lists, sealed under the data key."""
    return ListKeys(data_key.seal, data_key.unseal)
