"""The line of migrations: one number each, without a gap, so that every database takes the same steps."""

from __future__ import annotations

from gatepass.server.store.migrations import all_migrations


def test_migrations_are_numbered_one_after_the_other() -> None:
    """Two of the same number would be one step for one database and another for the next."""
    assert [migration.number for migration in all_migrations()] == list(range(1, len(all_migrations()) + 1))
