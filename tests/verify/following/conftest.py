"""Readers of what an issuer revokes."""

from __future__ import annotations

import pytest
from tests.support.revocation_reader import Reader


@pytest.fixture
def reader() -> Reader:
    """A reader that knows nothing."""
    return Reader()


@pytest.fixture
def live() -> Reader:
    """A reader that is up to date and listens."""
    reader = Reader()
    reader.start()
    return reader
