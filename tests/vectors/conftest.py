"""Reading the examples of the RFCs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """Return a reader of `<name>.json`."""
    return lambda name: json.loads((Path(__file__).parent / f"{name}.json").read_text())
