"""The connection that each store's SQL is written against, inside a transaction, of either database."""

from __future__ import annotations

from typing import Protocol, TypeAlias

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Value, ...]


AFTER_EVERYTHING = "\U0010ffff"
"""Sorts after every text that a word can go on with, where texts are in the order of their octets."""


class Connection(Protocol):
    """Runs one statement, with values numbered `?1`, `?2` and so on."""

    async def rows(self, sql: str, *values: Value) -> list[Row]:
        """Every row that the statement returns."""
        ...

    async def row(self, sql: str, *values: Value) -> Row | None:
        """The first row, or None."""
        ...


def words(text: Value) -> tuple[str, ...]:
    """Read a list that is stored as words separated by spaces, as OAuth writes scopes."""
    return tuple(str(text).split())


def has_word(column: str, place: str) -> str:
    """The condition that a list of words has one. Unlike LIKE it tells capitals apart, and knows no wildcards."""
    return f"replace(' ' || {column} || ' ', ' ' || {place} || ' ', '') <> ' ' || {column} || ' '"
