"""Argon2id (RFC 9106) in a few threads that never stand in the way of the event loop.

A hash takes some 20 ms of a core and 19 MiB. So there is one thread per core, at the lowest priority, and a bounded
queue: when more people log in than the machine can check, the excess is told to come back, and everybody else is
served as before.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

import argon2
import msgspec

from gatepass.server.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOWEST_PRIORITY = 19
_M_MMAP_THRESHOLD = -3  # from malloc.h; setting it switches off glibc's own adjusting of it
_MMAP_THRESHOLD_BYTES = 1 << 20


class Argon2Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Argon2id's parameters; the defaults are OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


class PasswordHashes(Protocol):
    """Where the hash of each person's password is kept."""

    async def of(self, user_id: str) -> str | None:
        """The hash in PHC string format, or None when the person has no password."""
        ...

    async def put(self, user_id: str, password_hash: str, now: float) -> None:
        """Keep the hash in place of an earlier one."""
        ...


class PasswordHasher:
    """Hashes and checks passwords, at the same cost whether or not there is a hash to check against."""

    def __init__(self, cost: Argon2Cost, *, threads: int | None = None, queue_length: int = 64) -> None:
        workers = threads or usable_cores()
        _return_large_blocks_at_once()
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes, type=argon2.Type.ID
        )
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2", initializer=_lower_priority)
        self._places = threading.BoundedSemaphore(workers + queue_length)
        # What an unknown e-mail address is checked against: a real hash, at the real cost, of a password nobody has.
        self._decoy = self._argon2.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """Hash a new password into PHC string format.

        Raises:
            Unavailable: `busy`, when the queue is full.
        """
        return await self._run(lambda: self._argon2.hash(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password belongs to the hash; `None` costs the same and is False.

        Raises:
            Unavailable: `busy`, when the queue is full.
        """
        matches = await self._run(lambda: self._matches(password, password_hash or self._decoy))
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash was made at another cost than today's."""
        return self._argon2.check_needs_rehash(password_hash)

    def close(self) -> None:
        """End the threads once what they are at is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, password_hash: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise Unavailable("busy", "Too many people are signing in just now; try again shortly.", retry_after=1)
        future = self._pool.submit(work)
        # The place is taken until the thread is done, not until the caller is gone: hanging up frees no core.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _lower_priority() -> None:
    """Let this thread run only when nobody else wants the core. Linux counts niceness per thread; others do not."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


def _return_large_blocks_at_once() -> None:
    """Keep glibc from learning to hold on to the 19 MiB of each hash, once per thread, for ever."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
