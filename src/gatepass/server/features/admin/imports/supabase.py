"""Users of Supabase: rows of `auth.users` as CSV or JSON, joined with those of `auth.identities`."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.spellings import read_hash
from gatepass.server.features.admin.imports.files import decoded, elements_of, lines_of, rows_of_csv
from gatepass.server.features.admin.imports.foreign_user import (
    ForeignIdentity,
    ForeignUser,
    flag,
    read_rows,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source

_NO_PROVIDERS = ("email", "phone")


class _SupabaseLink(msgspec.Struct, frozen=True):
    provider: str
    provider_id: str | None = None
    identity_data: dict[str, Any] | None = None


class _SupabaseUser(msgspec.Struct, frozen=True):
    id: str
    email: str | None = None
    encrypted_password: str | None = None
    email_confirmed_at: str | None = None
    confirmed_at: str | None = None
    created_at: str | None = None
    banned_until: str | None = None
    deleted_at: str | None = None
    raw_user_meta_data: dict[str, Any] | None = None
    raw_app_meta_data: dict[str, Any] | None = None
    identities: list[_SupabaseLink] | None = None
    is_anonymous: bool | str | None = None


def read_supabase(source: Source) -> Iterator[Row]:
    """The users; those that were deleted softly stay behind."""
    if source.shape == "csv":
        return read_rows(rows_of_csv(source.path), _read_csv)
    elements = elements_of(source.path) if source.shape == "array" else lines_of(source.path)
    return read_rows(elements, lambda record: _read(decoded(record)))


def _read_csv(row: dict[str, str]) -> ForeignUser | None:
    """In CSV, what is JSON in the table is text, and NULL is empty."""
    fields: dict[str, Any] = {name: None if value in ("", "null") else value for name, value in row.items()}
    for name in ("raw_user_meta_data", "raw_app_meta_data", "identities"):
        if fields.get(name) is not None:
            try:
                fields[name] = msgspec.json.decode(fields[name])
            except msgspec.DecodeError as error:
                raise Refusal("invalid_body", f"The column {name} is not JSON.") from error
    return _read(fields)


def _read(fields: dict[str, Any]) -> ForeignUser | None:
    user = msgspec.convert(fields, _SupabaseUser)
    if user.deleted_at:
        return None
    if flag(user.is_anonymous):
        raise Refusal("invalid_email", "The user is anonymous, and has no address.")
    metadata = user.raw_user_meta_data or {}
    return ForeignUser(
        id=user.id,
        email=user.email or "",
        password=partial(read_hash, user.encrypted_password) if user.encrypted_password else lambda: None,
        email_verified=bool(user.email_confirmed_at or user.confirmed_at),
        disabled=_is_banned(user.banned_until),
        created_at=seconds_of(user.created_at),
        name=str(metadata.get("full_name") or metadata.get("name") or ""),
        metadata=metadata,
        app_metadata=user.raw_app_meta_data or {},
        identities=tuple(
            ForeignIdentity(
                provider=each.provider,
                subject=str(each.provider_id or (each.identity_data or {}).get("sub") or ""),
                email=str((each.identity_data or {}).get("email") or ""),
            )
            for each in user.identities or ()
            if each.provider not in _NO_PROVIDERS
        ),
    )


def _is_banned(until: str | None) -> bool:
    """A ban may have an end; one that cannot be understood has none."""
    if not until:
        return False
    end = seconds_of(until)
    return end is None or end > time.time()
