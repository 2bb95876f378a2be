"""What commands share: the options that locate the server's data, and how to open it."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gatepass.server.base.settings import Settings, load
from gatepass.server.domain.accounts.registration import new_registration
from gatepass.server.domain.accounts.role_table import RoleTable
from gatepass.server.domain.credentials.passwords.hashing import password_hasher
from gatepass.server.domain.mail.notices import Notices
from gatepass.server.domain.revocation.status_indexes import list_keys, status_indexes
from gatepass.server.domain.sessions.custom_claims import app_metadata_in_tokens
from gatepass.server.features.admin.apis import ApiAdmin
from gatepass.server.features.admin.clients import ClientAdmin
from gatepass.server.features.admin.people import Admin
from gatepass.server.hooks.plugins import has_plugins
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


DEFAULT_FILE = Path("gatepass.toml")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Place:
    """The options that locate the server's data and settings."""

    data_dir: Annotated[str | None, Parameter(help="Folder for database and master key [./gatepass-data].")] = None
    database: Annotated[str | None, Parameter(help="Database URL [gatepass.db in the data folder].")] = None
    config: Annotated[Path | None, Parameter(help="TOML file with settings [./gatepass.toml if it is there].")] = None

    def settings(self, **flags: object) -> Settings:
        """The settings from flags, environment and file. Raises StartupError."""
        given = {"data_dir": self.data_dir, "database": self.database, **flags}
        return load(flags=given, environment=os.environ, file=self.file)

    @property
    def file(self) -> Path | None:
        """The file with settings, if there is one."""
        return self.config or (DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None)


@asynccontextmanager
async def open_admin(place: Place, *, must_exist: bool = True) -> AsyncGenerator[Admin]:
    """Open the store for the operator's commands on users. With `must_exist`, never create a database."""
    settings = place.settings()
    async with open_store(settings, must_exist=must_exist) as (database, data_key):
        hasher = password_hasher(settings)
        roles = RoleTable(settings.roles)
        await roles.look(database)
        try:
            registration = new_registration(database, hasher, settings)
            yield Admin(
                database,
                registration,
                list_keys(data_key),
                Notices(data_key, settings),
                idle_seconds=settings.session_idle_seconds,
                roles=roles,
                in_tokens=app_metadata_in_tokens(settings, has_plugins=has_plugins()),
            )
        finally:
            hasher.close()


@asynccontextmanager
async def open_api_admin(settings: Settings, *, must_exist: bool = True) -> AsyncGenerator[ApiAdmin]:
    """Open the store for the operator's commands on APIs; see `open_admin`."""
    async with open_store(settings, must_exist=must_exist) as (database, data_key):
        yield ApiAdmin(database, list_keys(data_key))


@asynccontextmanager
async def open_client_admin(settings: Settings, *, must_exist: bool = True) -> AsyncGenerator[ClientAdmin]:
    """Open the store for the operator's commands on clients; see `open_admin`."""
    async with open_store(settings, must_exist=must_exist) as (database, data_key):
        yield ClientAdmin(
            database,
            status_indexes(database, data_key),
            list_keys(data_key),
            our_algs=settings.id_token_algs,
        )
