"""Which format a file has, by what stands at its beginning."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.features.admin.imports.files import decoded, elements_of, lines_of, rows_of_csv, tables_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Shape: TypeAlias = Literal["lines", "array", "object", "csv", "sqlite"]
FormatName: TypeAlias = Literal["gatepass", "keycloak", "auth0", "supabase", "fastapi-users", "django"]

_BEGINNING = 1 << 16
_REALM = re.compile(rb'\{\s*"(id|realm|users)"\s*:')
_REALM_MEMBER = re.compile(rb'"(realm|users|identityProviders)"\s*:')
_MARKS: tuple[tuple[FormatName, frozenset[str]], ...] = (
    ("supabase", frozenset({"encrypted_password", "raw_user_meta_data", "raw_app_meta_data"})),
    ("fastapi-users", frozenset({"hashed_password"})),
    ("django", frozenset({"fields", "date_joined", "is_staff"})),
    (
        "auth0",
        frozenset(
            {"user_id", "_id", "Id", "custom_password_hash", "user_metadata", "blocked", "passwordHash", "Email"}
        ),
    ),
)
"""A name that only one of the systems has."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file, its shape, and the names in its first record or, of SQLite, its tables."""

    path: Path
    shape: Shape
    names: frozenset[str] = frozenset()
    tables: dict[str, frozenset[str]] = {}

    @property
    def format(self) -> FormatName | None:
        """The system that the file comes from; None if that cannot be told."""
        if self.shape == "object":
            return "keycloak"
        if self.shape == "sqlite":
            return "django" if self.table_with("password", "last_login") else self._by(self.columns)
        return self._by(self.names) or ("gatepass" if self.shape == "lines" else self._of_array())

    @property
    def columns(self) -> frozenset[str]:
        """All columns of all tables."""
        return frozenset(column for columns in self.tables.values() for column in columns)

    def table_with(self, *columns: str) -> str | None:
        """The one table that has an address and these columns."""
        found = sorted(name for name, names in self.tables.items() if names >= {"email", *columns})
        return found[0] if found else None

    def _by(self, names: frozenset[str]) -> FormatName | None:
        return next((name for name, marks in _MARKS if marks & names), None)

    def _of_array(self) -> FormatName | None:
        return "auth0" if self.shape == "array" and "email" in self.names else None


def look_at(path: Path) -> Source:
    """Look at the beginning of a file.

    Raises:
        Refusal: `invalid_body`, when it is an SQLite file that cannot be read.
    """
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING).removeprefix(b"\xef\xbb\xbf").lstrip()
    if beginning.startswith(b"SQLite format 3\0"):
        try:
            return Source(path=path, shape="sqlite", tables=tables_of(path))
        except sqlite3.Error as error:
            raise Refusal("invalid_body", f"The tables cannot be read: {error}.") from error
    if beginning.startswith(b"["):
        return Source(path=path, shape="array", names=_names(elements_of(path)))
    if _REALM.match(beginning) and _REALM_MEMBER.search(beginning):
        return Source(path=path, shape="object")
    if beginning.startswith(b"{") or b"," not in beginning.partition(b"\n")[0]:
        return Source(path=path, shape="lines", names=_names(lines_of(path)))
    return Source(path=path, shape="csv", names=_names(rows_of_csv(path)))


def _names(records: Iterator[tuple[int, bytes | dict[str, str] | Refusal]]) -> frozenset[str]:
    _, first = next(records, (0, b""))
    if isinstance(first, dict):
        return frozenset(first)
    try:
        return frozenset(decoded(first)) if isinstance(first, bytes) else frozenset()
    except Refusal:
        return frozenset()
