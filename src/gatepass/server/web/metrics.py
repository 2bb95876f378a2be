"""Metrics of responses for Prometheus: each path with its outcome and duration.

A request costs three dictionary look-ups. Everything else happens when the metrics are read.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import Metric

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram's buckets, in seconds."""

Gauges: TypeAlias = "Mapping[str, tuple[str, float]]"
"""Gauges by name: description and value."""


class Timing(msgspec.Struct):
    """Durations: the count within each bound, the last without one, and the total seconds."""

    buckets: list[int] = msgspec.field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0


class Counts(msgspec.Struct):
    """The counts of one process: by path and outcome, and by path."""

    outcomes: dict[str, dict[str, int]] = {}
    timings: dict[str, Timing] = {}

    def add(self, other: Counts) -> None:
        """Add the counts of another process."""
        for path, outcomes in other.outcomes.items():
            own = self.outcomes.setdefault(path, {})
            for outcome, count in outcomes.items():
                own[outcome] = own.get(outcome, 0) + count
        for path, timing in other.timings.items():
            mine = self.timings.setdefault(path, Timing())
            mine.buckets = [one + more for one, more in zip(mine.buckets, timing.buckets, strict=True)]
            mine.seconds += timing.seconds


class Metrics:
    """The counts of this process and of its siblings.

    Args:
        shared: this process's file in the folder where its siblings have theirs; None when there are none.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._counts = Counts()
        self._shared = shared
        self._gauges: list[Callable[[], Gauges]] = []

    def add_gauges(self, gauges: Callable[[], Gauges]) -> None:
        """Add gauges, which are read when the metrics are."""
        self._gauges.append(gauges)

    def note(self, path: str, outcome: str, seconds: float) -> None:
        """Count an answer: `ok`, or the code of the problem."""
        counts = self._counts
        try:
            counts.outcomes[path][outcome] += 1
        except KeyError:
            counts.outcomes.setdefault(path, {})[outcome] = 1
        timing = counts.timings.get(path)
        if timing is None:
            timing = counts.timings[path] = Timing()
        timing.buckets[bisect_left(BOUNDS, seconds)] += 1
        timing.seconds += seconds

    async def write_down(self) -> None:
        """Write the counts for the siblings."""
        if self._shared is not None:
            draft = self._shared.with_suffix(f".{os.getpid()}")
            draft.write_bytes(msgspec.json.encode(self._counts))  # some kilobytes, in memory
            draft.replace(self._shared)

    def text(self) -> bytes:
        """All metrics, in Prometheus' format."""
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415 - when asked

        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(
            _Collector(self._together(), {name: gauge for gauges in self._gauges for name, gauge in gauges().items()})
        )
        return generate_latest(registry)

    def _together(self) -> Counts:
        together = Counts()
        together.add(self._counts)
        if self._shared is not None:
            for file in self._shared.parent.iterdir():
                if not file.suffix and file != self._shared:
                    together.add(msgspec.json.decode(file.read_bytes(), type=Counts))
        return together


class _Collector:
    """`prometheus_client.registry.Collector` over what was counted."""

    def __init__(self, counts: Counts, gauges: Gauges) -> None:
        self._counts = counts
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        """Write it out."""
        from prometheus_client.core import (  # noqa: PLC0415 - when asked
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        answers = CounterMetricFamily(
            "gatepass_answers",
            "Answers by path and outcome: ok, or the code of the problem.",
            labels=("path", "outcome"),
        )
        for path, outcomes in self._counts.outcomes.items():
            for outcome, count in outcomes.items():
                answers.add_metric((path, outcome), count)
        yield answers
        seconds = HistogramMetricFamily("gatepass_answer_seconds", "How long answers took.", labels=("path",))
        for path, timing in self._counts.timings.items():
            seconds.add_metric((path,), list(_cumulative(timing.buckets)), timing.seconds)
        yield seconds
        for name, (meaning, value) in self._gauges.items():
            yield GaugeMetricFamily(name, meaning, value)


def _cumulative(buckets: Iterable[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        total += count
        yield bound, total
