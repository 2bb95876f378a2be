"""Users of fastapi-users: its table `user` in an SQLite file, or exported as CSV or JSON."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.domain.credentials.passwords.spellings import read_hash
from gatepass.server.features.admin.imports.files import (
    decoded,
    elements_of,
    lines_of,
    quoted,
    rows_of_csv,
    rows_of_sqlite,
)
from gatepass.server.features.admin.imports.foreign_user import ForeignIdentity, ForeignUser, flag, joined, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source

_HEX_UUID = 32
_GOOGLE_PEOPLE = "people/"
"""How the ids begin that httpx-oauth reads from Google's People API; the rest is the `sub`."""


class _OAuthAccount(msgspec.Struct, frozen=True):
    oauth_name: str
    account_id: str
    account_email: str = ""


class _FastapiUser(msgspec.Struct, frozen=True):
    id: str | int
    email: str
    hashed_password: str | None = None
    is_active: bool | str | int = True
    is_superuser: bool | str | int = False
    is_verified: bool | str | int = False
    first_name: str | None = None
    last_name: str | None = None
    oauth_accounts: list[_OAuthAccount] = []


def read_fastapi_users(source: Source) -> Iterator[Row]:
    """The users. Of other columns nothing is known, so that they stay behind."""
    match source.shape:
        case "sqlite":
            return _read_sqlite(source)
        case "csv":
            return read_rows(rows_of_csv(source.path), _read)
        case "array":
            return read_rows(elements_of(source.path), lambda record: _read(decoded(record)))
        case _:
            return read_rows(lines_of(source.path), lambda record: _read(decoded(record)))


def _read_sqlite(source: Source) -> Iterator[Row]:
    users = source.table_with("hashed_password") or "user"
    accounts = next((name for name, columns in source.tables.items() if {"oauth_name", "user_id"} <= columns), None)
    linked = "NULL"
    if accounts is not None:
        linked = (
            "(SELECT json_group_array(json_object('oauth_name', a.oauth_name, 'account_id', a.account_id,"
            f" 'account_email', a.account_email)) FROM {quoted(accounts)} AS a WHERE a.user_id = u.id)"
        )
    return read_rows(
        rows_of_sqlite(
            source.path, f"SELECT u.*, {linked} AS oauth_accounts FROM {quoted(users)} AS u ORDER BY u.rowid"
        ),
        lambda row: _read(row | {"oauth_accounts": msgspec.json.decode(row["oauth_accounts"] or "[]")}),
    )


def _read(fields: Mapping[str, Any]) -> ForeignUser:
    user = msgspec.convert(dict(fields), _FastapiUser)
    return ForeignUser(
        id=_id(user.id),
        email=user.email,
        password=partial(read_hash, user.hashed_password) if user.hashed_password else lambda: None,
        email_verified=flag(user.is_verified),
        disabled=not flag(user.is_active),
        name=joined(user.first_name, user.last_name),
        app_metadata={"is_superuser": True} if flag(user.is_superuser) else {},
        identities=tuple(_identities(user.oauth_accounts)),
    )


def _id(value: str | int) -> str:
    """The id as in the `sub` of its tokens: a UUID with hyphens, also where the table has it without."""
    text = str(value)
    try:
        return str(uuid.UUID(hex=text)) if len(text) == _HEX_UUID else text
    except ValueError:
        return text


def _identities(links: Sequence[_OAuthAccount]) -> Iterator[ForeignIdentity]:
    for each in links:
        yield ForeignIdentity(
            provider=each.oauth_name,
            subject=each.account_id.removeprefix(_GOOGLE_PEOPLE) if each.oauth_name == "google" else each.account_id,
            email=each.account_email,
        )
