"""Where the stream and the documents come from: relays in the order in which they are named, and at last the issuer.

Nothing that a relay says is believed, since all of it is signed; so what matters is only whether it passes it on. A
relay is left once it has brought nothing new for a while, or something wrong, and tried again later. Relays are
configured and never learned.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.jose.errors import InvalidPolicyError
from gatepass.verify.issuer import checked_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gatepass.verify.clocks import Moment

DOUBT_SECONDS = 3.0
"""One and a half heartbeats: a stream silent for this long, or a relay that has proved nothing new, may be dead."""

_RETURN_SECONDS = (30.0, 600.0)
"""How long a follower keeps away from relays: doubled each time that it leaves one, at most so long, and half more."""

_CROWD_SECONDS = (10.0, 600.0)
"""Over how long those that no relay serves spread at the issuer: at first, and doubled each time in vain, at most."""


class Upstreams:
    """The places to ask, and the one that is asked now.

    Attributes:
        place: Which one: 0 is the first relay, and the last place is the issuer.
        wait: How long to wait at least before the stream is asked for there, in seconds.
    """

    def __init__(self, relays: Sequence[str], *, jitter: Callable[[], float]) -> None:
        """Start at the first relay, or at the issuer if there is none.

        Args:
            relays: Their URLs.
            jitter: A number between 0 and 1, so that followers do not all come at once.
        """
        self._relays = tuple(relays)
        self._jitter = jitter
        self.place = 0
        self.wait = 0.0
        self._begun_at = -inf
        self._proved_at: float | None = None
        self._as_of: dict[int, float] = {}
        self._left = 0
        self._return_at = inf
        self._asked_issuer = 0
        self._issuer_from = -inf

    @property
    def count(self) -> int:
        """How many places there are."""
        return len(self._relays) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """The relays, by place."""
        return self._relays

    def url(self, url: str, place: int) -> str:
        """Where a document or stream of the issuer is at a place: at relays under the same path."""
        place %= self.count
        if place == len(self._relays):
            return url
        return self._relays[place] + urlsplit(url)._replace(scheme="", netloc="").geturl()

    @property
    def is_at_relay(self) -> bool:
        """Whether a relay is asked now."""
        return self.place < len(self._relays)

    def asked(self, now: Moment) -> None:
        """Record that the stream is asked for: from the first time on, proofs are due."""
        if self._proved_at is None:
            self._proved_at = now.run

    def is_in_doubt(self, now: Moment) -> bool:
        """Whether a relay is asked that has proved nothing new for too long."""
        return self.is_at_relay and self._proved_at is not None and now.run - self._proved_at >= DOUBT_SECONDS

    def proved(self, place: int, as_of: float, now: Moment) -> None:
        """Record a heartbeat by which the follower is live. One that the place has brought before is no news."""
        if as_of <= self._as_of.get(place, -inf):
            return
        self._as_of[place], self._proved_at, self.place = as_of, now.run, place
        if not self.is_at_relay:
            self._asked_issuer = 0
        if now.run - self._begun_at >= _RETURN_SECONDS[1]:
            self._left = 0

    def leave(self, now: Moment) -> None:
        """Go on to the next place; the issuer's turn comes only when a crowd that does the same has spread."""
        self._left += self.is_at_relay
        self.place = (self.place + 1) % self.count
        self.wait = 0.0
        if self._relays and not self.is_at_relay:
            if now.run < self._issuer_from:
                self.place = 0
            else:
                self.wait = self._jitter() * _CROWD_SECONDS[0]
                self._asked_issuer += 1
                self._issuer_from = now.run + self.wait + self._jitter() * _longer(_CROWD_SECONDS, self._asked_issuer)
        self._begin(now)
        self._plan_return(now)

    def arrived(self, place: int, now: Moment) -> None:
        """Stay at the place whose stream has begun, and if it is not the first one, for a while."""
        if place != self.place:
            self.place = place
            self._begin(now)
        self.asked(now)
        self._plan_return(now)

    def look_back(self, now: Moment) -> None:
        """Try the first relay again, if it is time, and if that is in vain again later."""
        if now.run >= self._return_at:
            self._left += 1
            self._plan_return(now)
            self.place = 0
            self._begin(now)

    def _plan_return(self, now: Moment) -> None:
        seconds = (1 + self._jitter() / 2) * _longer(_RETURN_SECONDS, self._left)
        self._return_at = now.run + seconds if self.place else inf

    def _begin(self, now: Moment) -> None:
        self._begun_at, self._proved_at = now.run, None


def _longer(seconds: tuple[float, float], times: int) -> float:
    """The first wait, doubled each time, up to the longest."""
    first, most = seconds
    return min(most, first * (1 << min(times, 10)))


def checked_relay(url: str) -> str:
    """A relay's URL, without a slash at its end. It needs no TLS: what comes from it is signed, and nothing is secret.

    Raises:
        InvalidPolicyError: It is no URL of http or https, or has a query.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or checked_url(f"https://{rest}", "a relay").query:
        raise InvalidPolicyError("a relay is an http or https URL of a host and a path")
    return url.rstrip("/")
