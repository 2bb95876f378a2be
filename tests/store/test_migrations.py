"""The migrations as files."""

from __future__ import annotations

from gatepass.server.store.migrations import all_migrations


def test_numbers_follow_each_other() -> None:
    """Each number once and none left out: two changes that took the same number would break every new store."""
    assert [migration.number for migration in all_migrations()] == list(range(1, len(all_migrations()) + 1))
