"""How many tokens each client may have revoked by name at a time, so that none uses up what readers can be told of.

What there is, is divided by the number of clients. It is counted once a second and not at each call, whose cost would
grow with it; between nodes that is exact to what they revoke within that second.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gatepass.server.domain.revocation.log import MOST_TOKENS

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

_SMALLEST_SHARE = 1_000
"""Of each client, however many there are: more than fifty would have to be full at once to leave the next without."""
_COUNTED_SECONDS = 1.0


class NameQuota:
    """Counts, inside the transaction that takes a name."""

    def __init__(self) -> None:
        self._counted_at = float("-inf")
        self._names: Counter[str] = Counter()
        self._share = 0

    async def take(self, tx: Transaction, client_id: str) -> bool:
        """Take room for one more name; False when the client's share, or all there is, is used up."""
        if not 0 <= tx.now - self._counted_at < _COUNTED_SECONDS:
            self._names = Counter(await tx.revocations.count_names(tx.now))
            self._share = max(_SMALLEST_SHARE, MOST_TOKENS // max(1, await tx.clients.count()))
            self._counted_at = tx.now
        if self._names[client_id] >= self._share or self._names.total() >= MOST_TOKENS:
            return False
        self._names[client_id] += 1
        return True
