"""The parts of the protocol, assembled for one issuer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from .documents import Documents
from .health import health_of
from .known import Known
from .stream import Stream
from .upstreams import Upstreams
from .verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gatepass.verify.clocks import Moment

    from .bridged import Bridged
    from .health import Health
    from .known import Mode, Stale


class Revocations:
    """What one issuer has revoked.

    Attributes:
        known: What we know of it.
        verdict: Whether a token passes.
        stream: The stream.
        documents: The snapshot and the lists.
    """

    def __init__(  # noqa: PLR0913 - each is named where it is called
        self,
        issuer: str,
        *,
        mode: Mode,
        stale: Stale,
        stale_after: float,
        relays: Sequence[str] = (),
        bridged: Bridged | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Start with nothing.

        Args:
            issuer: Whose revocations.
            relays: Where they are read, in this order, before the issuer itself.
            mode: `"feed"`: stream, snapshot and lists. `"list"`: snapshot and lists.
            stale: What to do with tokens when we are not up to date.
            stale_after: Seconds after which the last proof is worth nothing.
            bridged: Where the issuer is a bridge: what it tells of another.
            jitter: A number between 0 and 1, so that readers do not all come at once.
        """
        self.known = Known(issuer, mode=mode, stale=stale, stale_after=stale_after, bridged=bridged)
        self.verdict = Verdict(self.known)
        self.stream = Stream(self.known, self.verdict, Upstreams(relays, jitter=jitter), jitter=jitter)
        self.documents = Documents(self.known, self.verdict, self.stream, jitter=jitter)

    def restart(self) -> None:
        """Start over in a forked process: what is revoked stays so, and everything is fetched again."""
        self.stream.restart()
        self.verdict.close()
        self.known.restart()

    def health(self, now: Moment, *, keys_fresh: bool, keys_usable: bool) -> Health:
        """How up to date the revocations are."""
        return health_of(self.known, self.stream, now, keys_fresh=keys_fresh, keys_usable=keys_usable)
