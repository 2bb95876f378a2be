"""Argon2id (RFC 9106) in a few threads that do not block the event loop.

A hash takes about 20 ms of a core and 19 MiB. So there is one thread per core, at the lowest priority, and a bounded
queue: when more users log in than the machine can check, the excess is refused with `busy`, and all other requests are
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

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.credentials.passwords import foreign
from gatepass.server.domain.credentials.passwords.policy import prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.credentials.passwords.decoys import Kind

T = TypeVar("T")

LOWEST_PRIORITY = 19
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # from malloc.h
_LARGEST_THRESHOLD_BYTES = 32 << 20  # that glibc takes on 64 bits


class Argon2Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Argon2id's parameters; the defaults are OWASP's: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


class PasswordHashes(Protocol):
    """The store of password hashes."""

    async def of(self, user_id: str) -> str | None:
        """The hash in PHC string format, or None if the user has no password."""
        ...

    async def put(self, user_id: str, password_hash: str, now: float) -> None:
        """Set the hash, replacing an earlier one."""
        ...

    async def name_kinds(self, most: int) -> int:
        """Record the kind of each hash where that is missing; return how many there were."""
        ...

    async def kinds(self) -> list[Kind]:
        """How many hashes there are of each kind other than our own."""
        ...

    async def count(self) -> int:
        """How many passwords there are."""
        ...

    async def mark_short(self, user_id: str, *, is_short: bool) -> None:
        """Record whether the password is long enough only with a second factor, so that the last one must stay."""
        ...

    async def is_short(self, user_id: str) -> bool:
        """Whether the user's password is marked as short."""
        ...

    async def remove(self, user_id: str) -> None:
        """Remove the hash: no password works until a new one is set."""
        ...


class PasswordHasher:
    """Hashes and checks passwords, at the same cost whether or not there is a hash to check against."""

    def __init__(self, cost: Argon2Cost, *, threads: int | None = None, queue_length: int = 64) -> None:
        workers = threads or usable_cores()
        self._argon2 = argon2.PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes, type=argon2.Type.ID
        )
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2", initializer=_lower_priority)
        self._slots = _Slots(workers + queue_length)
        # The hash checked for an unknown email address: a real one, at the real cost, of a random password.
        self._decoy = self._argon2.hash(os.urandom(16))
        _give_memory_back()

    async def hash(self, password: str) -> str:
        """Hash a new password into PHC string format.

        Raises:
            Unavailable: `busy`, when the queue is full.
        """
        return await self._run(lambda: self._argon2.hash(prepared(password)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password matches the hash; with `None` it takes equally long and is False.

        Raises:
            Unavailable: `busy`, when the queue is full.
        """
        matches = await self._run(lambda: self._matches_in_a_spelling(password, password_hash or self._decoy))
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str, password: str = "") -> bool:
        """Whether the hash has another cost than today's, is from another system, or may be of another spelling."""
        if password != prepared(password):
            return True
        return foreign.is_foreign(password_hash) or self._argon2.check_needs_rehash(password_hash)

    def close(self) -> None:
        """Stop the threads after their current work."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches_in_a_spelling(self, password: str, password_hash: str) -> bool:
        """Check the normalized password, then the password as typed: older and imported hashes were made of that."""
        now = prepared(password)
        return self._matches(now, password_hash) or (now != password and self._matches(password, password_hash))

    def _matches(self, password: str, password_hash: str) -> bool:
        if foreign.is_foreign(password_hash):
            return foreign.matches(password, password_hash)
        try:
            return self._argon2.verify(password_hash, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._slots.take():
            raise Unavailable("busy", "Too many sign-ins at once: try again shortly.", retry_after=1)
        future = self._pool.submit(work)
        # The slot stays taken until the thread is done, even if the caller is gone: a disconnect frees no core.
        future.add_done_callback(lambda _: self._slots.leave())
        return await asyncio.wrap_future(future)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _lower_priority() -> None:
    """Run this thread only when nothing else needs the core. Linux sets niceness per thread; other systems do not."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


class _Slots:
    """Counts the callers that use or wait for a thread. When the last has left, freed memory returns to the system."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a slot; False if there is none."""
        with self._lock:
            if self._taken >= self._limit:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Free the slot."""
        with self._lock:
            self._taken -= 1
            is_empty = self._taken == 0
        if is_empty:
            _give_memory_back()


_libc = ctypes.CDLL(None)
_mallopt, _malloc_trim = getattr(_libc, "mallopt", None), getattr(_libc, "malloc_trim", None)
"""For glibc; other C libraries are left alone."""


def _give_memory_back() -> None:
    if _malloc_trim is not None:
        _malloc_trim(0)


def keep_large_blocks() -> None:
    """Let glibc keep the 19 MiB of a hash for the next one: mapping them each time makes a hash half as slow again.

    `_Slots` returns the memory when no caller is left; otherwise each thread would keep its own forever. Call this
    before any thread starts, because threads inherit their arenas.
    """
    if _mallopt is not None:
        _mallopt(_M_ARENA_MAX, 1)  # malloc_trim returns free memory of the main arena only
        _mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD_BYTES)
        _mallopt(_M_TRIM_THRESHOLD, 2 * _LARGEST_THRESHOLD_BYTES)


def password_hasher(settings: Settings) -> PasswordHasher:
    """The hasher with the configured cost."""
    return PasswordHasher(
        Argon2Cost(memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes, lanes=settings.argon2_lanes),
        queue_length=settings.login_queue_length,
    )
