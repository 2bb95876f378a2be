"""Fixtures for pytest: `pytest_plugins = ["gatepass.testing.fixtures"]` in your tests' topmost conftest.py."""

from __future__ import annotations

import pytest

from .issuer import Issuer


@pytest.fixture
def issuer() -> Issuer:
    """An issuer with a fresh key, whose clock stands still."""
    return Issuer()
