"""Store used DPoP proofs in Redis or Valkey, for an API that several processes serve.

verifier = Verifier(…, dpop=DPoPPolicy(replays=RedisReplays(redis.Redis(host="cache", socket_timeout=1))))
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from redis import Redis

_THREADS = 8


class RedisReplays:
    """One `SET … NX EX` a proof, in threads, so that no event loop waits. Where Redis fails, no proof is accepted."""

    def __init__(self, client: Redis, *, prefix: str = "gatepass:dpop:") -> None:
        """Use a server. Nothing is asked yet.

        Args:
            client: How to reach it; give it a `socket_timeout` of a second or so.
            prefix: What the names of our keys begin with.
        """
        self._client = client
        self._prefix = prefix
        self._process = os.getpid()
        self._threads = self._pool()

    def spend(self, name: str, seconds: float) -> Future[bool]:
        """Keep a name for at least so many seconds; tell whether it was new."""
        if os.getpid() != self._process:  # threads do not come along when a process forks
            self._process, self._threads = os.getpid(), self._pool()
        return self._threads.submit(self._spend, name, max(1, math.ceil(seconds)))

    def _spend(self, name: str, seconds: int) -> bool:
        return bool(self._client.set(self._prefix + name, b"", nx=True, ex=seconds))

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_THREADS, thread_name_prefix="gatepass-replays")
