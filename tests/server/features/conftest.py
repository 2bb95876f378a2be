"""Acts, without a server around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.acts import acting

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.acts import Acting


@pytest.fixture
def needs(tmp_path: Path) -> Generator[Acting]:
    """What acts need, over an empty store."""
    with acting(tmp_path) as made:
        yield made
