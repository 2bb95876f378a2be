"""Importing a file: each row is read, checked and moved in whole, or named with the reason why not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gatepass.server.base.errors import Refusal
from gatepass.server.features.admin.imports.auth0 import read_auth0
from gatepass.server.features.admin.imports.django import read_django
from gatepass.server.features.admin.imports.fastapi_users import read_fastapi_users
from gatepass.server.features.admin.imports.foreign_user import checked
from gatepass.server.features.admin.imports.keycloak import read_realm
from gatepass.server.features.admin.imports.own import read_own
from gatepass.server.features.admin.imports.supabase import read_supabase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from gatepass.server.domain.accounts.imports import ImportedUser
    from gatepass.server.domain.credentials.passwords.spellings import FirebaseProject
    from gatepass.server.features.admin.imports.foreign_user import ForeignUser, ImportPolicy, Row
    from gatepass.server.features.admin.imports.source import FormatName, Source
    from gatepass.server.features.admin.people import Admin

_PORTION = 500
"""Rows that are imported in one transaction."""


class Outcome(NamedTuple):
    """What became of a row, or would: `refused` says why there is no account."""

    line: int
    id: str | None
    email: str
    refused: Refusal | None
    notes: tuple[str, ...] = ()


def rows_of(source: Source, format_name: FormatName, project: FirebaseProject | None) -> Iterator[Row]:
    """The rows of a file of this format."""
    readers: dict[FormatName, Callable[[Source], Iterator[Row]]] = {
        "gatepass": partial(read_own, project=project),
        "keycloak": read_realm,
        "auth0": read_auth0,
        "supabase": read_supabase,
        "fastapi-users": read_fastapi_users,
        "django": read_django,
    }
    return readers[format_name](source)


async def import_rows(
    admin: Admin, rows: Iterator[Row], policy: ImportPolicy, *, is_dry: bool
) -> AsyncIterator[Outcome]:
    """Import in portions of one transaction each. A dry run rolls each back, and remembers what it would have added."""
    with closing(_Seen()) as seen:
        while portion := list(islice(rows, _PORTION)):
            outcomes = [_looked_at(admin, line, found, policy) for line, found in portion]
            if is_dry:
                outcomes = [seen.judged(each) for each in outcomes]
            ready = [(place, user) for place, (_, user) in enumerate(outcomes) if user is not None]
            refusals = await admin.import_users([user for _, user in ready], is_dry=is_dry)
            for (place, user), refused in zip(ready, refusals, strict=True):
                outcomes[place] = (outcomes[place][0]._replace(refused=refused), user)
                if is_dry and refused is None:
                    seen.add(user)
            for outcome, _ in outcomes:
                yield outcome


def _looked_at(
    admin: Admin, line: int, found: ForeignUser | Refusal, policy: ImportPolicy
) -> tuple[Outcome, ImportedUser | None]:
    if isinstance(found, Refusal):
        return Outcome(line, None, "", found), None
    try:
        user = checked(found, policy)
        admin.check_roles(user.roles)
    except Refusal as error:
        return Outcome(line, found.id, found.email, error), None
    return Outcome(line, user.id, user.email, None, user.notes), user


class _Seen:
    """What earlier portions of a dry run would have taken, in a temporary file, so that no file is too long."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("")
        self._connection.execute("CREATE TABLE seen (name TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        """Forget it all."""
        self._connection.close()

    def judged(self, outcome: tuple[Outcome, ImportedUser | None]) -> tuple[Outcome, ImportedUser | None]:
        """The outcome, refused if an earlier row took the same."""
        found, user = outcome
        if user is None or not any(map(self._has, _names(user))):
            return outcome
        return found._replace(refused=Refusal("email_taken", "An earlier row has this address, id or account.")), None

    def add(self, user: ImportedUser) -> None:
        """Remember the user."""
        self._connection.executemany("INSERT OR IGNORE INTO seen VALUES (?)", [(name,) for name in _names(user)])

    def _has(self, name: str) -> bool:
        return self._connection.execute("SELECT 1 FROM seen WHERE name = ?", (name,)).fetchone() is not None


def _names(user: ImportedUser) -> Sequence[str]:
    identities = (f"{each.issuer} {each.subject}" for each in user.identities)
    return [f"email {user.email}", *([f"id {user.id}"] if user.id else []), *identities]
