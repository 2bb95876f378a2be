"""What a message of the issuer proves: that we knew everything as of a time. It is worth less the older it is."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from gatepass.tokens.access_token import MAX_CLOCK_LEAD

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment


class FreshnessProof(NamedTuple):
    """That we knew everything that had happened by a time.

    Attributes:
        as_of: That time, in seconds since 1970, by the issuer's clock.
        run: What our running clock showed then, at the earliest.
    """

    as_of: float
    run: float

    def age(self, now: Moment) -> float:
        """Return the seconds since: the larger of two answers. A proof that lies in the future is none."""
        if self.as_of > now.wall + MAX_CLOCK_LEAD:
            return inf
        return max(now.wall - self.as_of, now.run - self.run)


NO_PROOF = FreshnessProof(-inf, -inf)


def younger(one: FreshnessProof, other: FreshnessProof, now: Moment) -> FreshnessProof:
    """Return the proof that is worth more; an older one never takes a younger one's place."""
    return other if other.age(now) < one.age(now) else one
