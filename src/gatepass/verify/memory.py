"""The keys in use, and the tokens that they have verified."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from gatepass.jose import Key, KeySet
from gatepass.tokens import access_token

if TYPE_CHECKING:
    from .principal import Principal

    Seen: TypeAlias = tuple[float, float, Principal]
    """From when and until when a verified token is good, in seconds since 1970, and who it speaks for."""

LONGEST_REMEMBERED = 8192
"""Characters; a longer token is verified each time, so that remembered tokens stay within a known memory."""


class Memory:
    """One set of keys, how long it is fresh, and the tokens that it verified: replaced as a whole, never mixed.

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
        """Tell whether the keys need not be fetched again; given keys never do."""
        return self.fetched_at <= now < self.fresh_until

    def remember(self, token: str, principal: Principal, *, leeway: float, size: int) -> None:
        """Keep a token that these keys have verified; one thread at a time.

        Args:
            token: The token.
            principal: Who it speaks for.
            leeway: Seconds by which the issuer's clock may differ.
            size: How many are kept.
        """
        if not size or len(token) > LONGEST_REMEMBERED:
            return
        while token not in self.seen and len(self.seen) >= size:
            del self.seen[next(iter(self.seen))]  # the oldest, which ends first
        self.seen[token] = _good_from(principal, leeway), principal.expires_at + leeway, principal


def _good_from(principal: Principal, leeway: float) -> float:
    """When a token begins to be good, in seconds since 1970: a clock that was set back takes it for one to come."""
    made_at, not_before = principal.claims.get("iat"), principal.claims.get("nbf")
    return max(
        made_at - access_token.MAX_CLOCK_LEAD if isinstance(made_at, int | float) else -math.inf,
        not_before - leeway if isinstance(not_before, int | float) else -math.inf,
    )
