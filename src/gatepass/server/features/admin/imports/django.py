"""Users of Django: `auth_user`, or a model of one's own, in an SQLite file or as `manage.py dumpdata` writes it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.domain.credentials.passwords.spellings import read_hash
from gatepass.server.features.admin.imports.files import decoded, elements_of, lines_of, quoted, rows_of_sqlite
from gatepass.server.features.admin.imports.foreign_user import ForeignUser, flag, joined, read_rows, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source

_GROUP = "auth.group"


class _Object(msgspec.Struct, frozen=True):
    """An object of `dumpdata`; with `--natural-primary` it has no `pk`."""

    model: str
    fields: dict[str, Any]
    pk: int | str | None = None


class _DjangoUser(msgspec.Struct, frozen=True):
    email: str
    password: str
    id: int | str | None = None
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    is_active: bool | int = True
    is_staff: bool | int = False
    is_superuser: bool | int = False
    date_joined: str | None = None
    groups: list[str] = []


def read_django(source: Source) -> Iterator[Row]:
    """The users; groups become roles."""
    return _read_sqlite(source) if source.shape == "sqlite" else _read_dump(source)


def _read_dump(source: Source) -> Iterator[Row]:
    """Groups may stand after the users, so the file is read twice."""
    names: dict[int | str, str] = {}
    for _, record in _elements(source):
        if isinstance(record, bytes) and _GROUP.encode() in record:
            found = msgspec.convert(decoded(record), _Object)
            if found.model == _GROUP and found.pk is not None:
                names[found.pk] = str(found.fields.get("name", ""))
    return read_rows(_elements(source), partial(_read_object, names))


def _elements(source: Source) -> Iterator[tuple[int, Any]]:
    return elements_of(source.path) if source.shape == "array" else lines_of(source.path)


def _read_object(names: Mapping[int | str, str], record: bytes) -> ForeignUser | None:
    found = msgspec.convert(decoded(record), _Object)
    if not {"email", "password"} <= found.fields.keys():
        return None
    keys = msgspec.convert(found.fields.get("groups", []), list[int | str | list[str]])
    groups = [_group(names, each) for each in keys]
    return _read(found.fields | {"id": found.pk, "groups": groups})


def _group(names: Mapping[int | str, str], key: int | str | list[str]) -> str:
    """The name of a group, by its primary key or by its natural one, which is the name in a list."""
    return " ".join(key) if isinstance(key, list) else names.get(key, f"group-{key}")


def _read_sqlite(source: Source) -> Iterator[Row]:
    users = source.table_with("password", "last_login") or "auth_user"
    between, column = f"{users}_groups", f"{users.rpartition('_')[2]}_id"
    groups = "'[]'"
    if {column, "group_id"} <= source.tables.get(between, frozenset()) and "auth_group" in source.tables:
        groups = (
            f"(SELECT json_group_array(g.name) FROM auth_group AS g JOIN {quoted(between)} AS b ON b.group_id = g.id"
            f" WHERE b.{quoted(column)} = u.id)"
        )
    query = f"SELECT u.*, {groups} AS groups FROM {quoted(users)} AS u ORDER BY u.rowid"
    return read_rows(
        rows_of_sqlite(source.path, query), lambda row: _read(row | {"groups": msgspec.json.decode(row["groups"])})
    )


def _read(fields: Mapping[str, Any]) -> ForeignUser:
    user = msgspec.convert(dict(fields), _DjangoUser)
    flags = {"is_staff": flag(user.is_staff), "is_superuser": flag(user.is_superuser)}
    kept = {name: True for name, is_set in flags.items() if is_set}
    if user.username and user.username.lower() != user.email.lower():
        kept |= {"username": user.username}  # type: ignore[dict-item]
    return ForeignUser(
        id=None if user.id is None else str(user.id),
        email=user.email,
        password=partial(read_hash, user.password) if user.password else lambda: None,
        disabled=not flag(user.is_active),
        roles=tuple(user.groups),
        created_at=seconds_of(user.date_joined),
        name=joined(user.first_name, user.last_name),
        app_metadata=dict(kept),
    )
