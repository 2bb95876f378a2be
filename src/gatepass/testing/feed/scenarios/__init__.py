"""The scripts. Each is a function on a `Stage`; its name and docstring are what the report calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import documents, forgery, order, origins, revoking, streams, times

if TYPE_CHECKING:
    from gatepass.testing.feed.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *revoking.SCENARIOS.all,
    *order.SCENARIOS.all,
    *forgery.SCENARIOS.all,
    *streams.SCENARIOS.all,
    *documents.SCENARIOS.all,
    *origins.SCENARIOS.all,
    *times.SCENARIOS.all,
)
"""All of them, in the order of the list."""
