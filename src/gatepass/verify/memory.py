"""The keys in use, and the tokens that they have verified."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from gatepass.jose import Key, KeySet
from gatepass.tokens import access_token

if TYPE_CHECKING:
    from .principal import Principal

    Seen: TypeAlias = tuple[float, float, Principal]
    """The validity period of a verified token, in seconds since 1970, and its principal."""

LONGEST_REMEMBERED = 8192
"""In characters; longer tokens are not cached, so that the cache has bounded memory."""


class Memory:
    """A set of keys, how long it is fresh, and the tokens it verified: replaced as a whole, never mixed.

    Attributes:
        published: The keys as they were published or given.
        refused: Those of them that have been revoked, by `kid`.
        keys: The others.
    """

    __slots__ = ("fetched_at", "fresh_until", "keys", "published", "refused", "seen")

    def __init__(
        self,
        published: Key | KeySet,
        fetched_at: float,
        fresh_until: float,
        *,
        refused: frozenset[str] = frozenset(),
        before: Memory | None = None,
    ) -> None:
        self.published = published
        self.refused = refused
        self.fetched_at = fetched_at
        self.fresh_until = fresh_until
        self.keys: Key | KeySet = published
        self.seen: dict[str, Seen] = {}
        if before is not None and before.published is published and before.refused == refused:
            self.keys, self.seen = before.keys, before.seen
        elif refused:
            every = (published,) if isinstance(published, Key) else published
            self.keys = KeySet([key for key in every if key.kid not in refused])

    def is_fresh(self, now: float) -> bool:
        """Whether the keys need not be fetched again; given keys never do."""
        return self.fetched_at <= now < self.fresh_until

    def remember(self, token: str, principal: Principal, *, leeway: float, size: int) -> None:
        """Cache a token that these keys have verified; one thread at a time.

        Args:
            token: The token.
            principal: Who it speaks for.
            leeway: Seconds by which the issuer's clock may differ.
            size: How many are kept.
        """
        if not size or len(token) > LONGEST_REMEMBERED:
            return
        while token not in self.seen and len(self.seen) >= size:
            del self.seen[next(iter(self.seen))]  # the oldest, which expires first
        self.seen[token] = _good_from(principal, leeway), principal.expires_at + leeway, principal


def _good_from(principal: Principal, leeway: float) -> float:
    """When a token becomes valid, in seconds since 1970; a clock that was set back treats it as not yet valid."""
    made_at, not_before = principal.claims.get("iat"), principal.claims.get("nbf")
    return max(
        made_at - access_token.MAX_CLOCK_LEAD if isinstance(made_at, int | float) else -math.inf,
        not_before - leeway if isinstance(not_before, int | float) else -math.inf,
    )
