"""Owners, their tabs and a network, on a clock that no one waits for: what the checker walks, at random and in bulk.

An owner has one store and eight tabs. A tab that sends reads the store; a request, and its answer, take their time, may
overtake others, and may be lost; what comes back is written to the store, whatever is in it by then, unless the tab
crashes first. A tab sends when it likes, which is also what a retry or a reload is, and owners sleep between bursts.
"""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.refresh.model import DELAY
from tests.refresh.servers import FIRST

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.refresh.servers import Server

TABS = 8
PAUSES = (1, 14, 30, 31, 59, 60, 61, 90, 120, 900, 8 * 3_600)
"""How long owners sleep between two bursts, in seconds."""
SPREADS = (0, 1, 30, 120)
"""Over how many seconds a burst is spread."""
LOST = 0.1
"""The share of requests, and again of answers, that are lost."""


class Losses(NamedTuple):
    """How often the store goes back, how much it forgets at most, and how long it is away at least, in seconds."""

    every: float
    forgets: float
    away: float


class Simulation:
    """One run. Whoever is logged out signs in again, as a new owner.

    `counts` says how often each verdict was given, `losses` how often the store went back.
    """

    def __init__(
        self, server: Server, *, owners: int, seed: int = 1, delay: float = DELAY, losses: Losses | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.losses = 0
        self._server = server
        self._delay = delay
        self._losses = losses
        self._random = Random(seed)  # noqa: S311 - a run is to be repeatable
        self._numbers = count()
        self._stores: dict[int, int] = {}
        self._is_away = False
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[int, ...]]] = []
        for _ in range(owners):
            self._sign_in()
        self._await_loss()

    def run(self, refreshes: int) -> None:
        """Let time pass until so many requests have been answered."""
        while self.counts.total() < refreshes:
            self._now, _, event, arguments = heapq.heappop(self._events)
            event(*arguments)

    def _after(self, seconds: float, event: Callable[..., None], *arguments: int) -> None:
        heapq.heappush(self._events, (self._now + seconds, next(self._numbers), event, arguments))

    def _sign_in(self) -> None:
        owner = next(self._numbers)
        self._stores[owner] = FIRST
        self._server.open(owner, self._now)
        self._after(self._random.uniform(0, 900), self._wake, owner)

    def _wake(self, owner: int) -> None:
        """Let the tabs send, together or one by one, and sleep again."""
        if owner not in self._stores:
            return
        spread = self._random.choice(SPREADS)
        for _ in range(self._random.randint(1, TABS)):
            self._after(self._random.uniform(0, spread), self._send, owner)
        self._after(spread + self._random.choice(PAUSES), self._wake, owner)

    def _send(self, owner: int) -> None:
        if owner in self._stores and self._random.random() >= LOST:
            self._after(self._travel(), self._arrive, owner, self._stores[owner])

    def _arrive(self, owner: int, serial: int) -> None:
        if owner not in self._stores or self._is_away:
            return
        verdict, current = self._server.present(owner, serial, self._now)
        self.counts[verdict] += 1
        if verdict in {"stolen", "ended"}:
            del self._stores[owner]
            self._sign_in()
        elif self._random.random() >= LOST:
            self._after(self._travel(), self._write, owner, current)

    def _write(self, owner: int, serial: int) -> None:
        if owner in self._stores:
            self._stores[owner] = serial

    def _travel(self) -> float:
        """A message's time on the way: mostly short, now and then as long as it may be."""
        return min(self._delay, self._random.choice((0, 0.1, 1, 2)) * self._random.random() * self._delay)

    def _await_loss(self) -> None:
        self._is_away = False
        if self._losses:
            self._after(self._random.expovariate(1 / self._losses.every), self._keep)

    def _keep(self) -> None:
        assert self._losses
        self._server.keep()
        self._after(self._random.uniform(0, self._losses.forgets), self._go_back)

    def _go_back(self) -> None:
        assert self._losses
        self._server.go_back()
        self._is_away = True
        self.losses += 1
        self._after(self._losses.away * self._random.uniform(1, 2), self._await_loss)
