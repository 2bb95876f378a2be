"""When to try again."""

from __future__ import annotations

import random

from gatepass.verify.clocks import Moment
from gatepass.verify.following.retry import Trouble


def test_readers_do_not_all_come_at_once() -> None:
    """A thousand that lose the same server spread over more than a second."""
    waits = []
    for _ in range(1_000):
        trouble = Trouble()
        trouble.failed(Moment(0, 0), 0)
        trouble.failed(Moment(0, 0), random.random())  # noqa: S311 - a spread, no secret
        waits.append(trouble._wait)
    assert max(waits) - min(waits) > 1.2
    assert max(sum(at <= wait < at + 0.1 for wait in waits) for at in (0.3, 0.6, 0.9, 1.2)) < 150
