"""How many tokens each client may have revoked by `jti`, so that no client fills the list of all.

The total is divided by the number of clients. It is counted once a second, not at each call, whose cost would grow with
it; across nodes it is exact except for revocations of the last second.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gatepass.server.domain.revocation.log import MOST_TOKENS

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

_SMALLEST_SHARE = 1_000
"""The minimum for each client, however many there are: it takes more than fifty full ones to use up the total."""
_COUNTED_SECONDS = 1.0


class NameQuota:
    """Counts, inside the transaction that revokes a `jti`."""

    def __init__(self) -> None:
        self._counted_at = float("-inf")
        self._names: Counter[str] = Counter()
        self._share = 0

    async def take(self, tx: Transaction, client_id: str) -> bool:
        """Reserve one more; False if the client's share or the total is used up."""
        if not 0 <= tx.now - self._counted_at < _COUNTED_SECONDS:
            self._names = Counter(await tx.revocations.count_names(tx.now))
            self._share = max(_SMALLEST_SHARE, MOST_TOKENS // max(1, await tx.clients.count()))
            self._counted_at = tx.now
        if self._names[client_id] >= self._share or self._names.total() >= MOST_TOKENS:
            return False
        self._names[client_id] += 1
        return True
