"""Proof of freshness: everything up to a time was known. It loses value as it ages."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from gatepass.tokens.access_token import MAX_CLOCK_LEAD

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment


class FreshnessProof(NamedTuple):
    """Everything that happened up to a time was known.

    Attributes:
        as_of: That time, in seconds since 1970, by the issuer's clock.
        run: What our running clock showed then, at the earliest.
    """

    as_of: float
    run: float

    def age(self, now: Moment) -> float:
        """The age: the larger of two answers. A proof from the future proves nothing."""
        if self.as_of > now.wall + MAX_CLOCK_LEAD:
            return inf
        return max(now.wall - self.as_of, now.run - self.run)


NO_PROOF = FreshnessProof(-inf, -inf)


def younger(one: FreshnessProof, other: FreshnessProof, now: Moment) -> FreshnessProof:
    """The younger of two proofs."""
    return other if other.age(now) < one.age(now) else one
