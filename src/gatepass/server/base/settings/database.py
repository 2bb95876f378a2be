"""Where the data is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.proxies import ProxySection
from gatepass.server.base.settings.section import IN_FILE, Seconds

_POSTGRES_SCHEMES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/]*@|(?<=[?&])(password=)[^&]*")


class DatabaseSection(ProxySection, frozen=True, kw_only=True):
    """The data folder, the database, and what opens it."""

    data_dir: Annotated[str, Meta(description="Folder for the database and the master key.")] = "gatepass-data"
    database: Annotated[
        str,
        IN_FILE,
        Meta(description="sqlite:///FILE or postgresql://USER@HOST/NAME. Empty: gatepass.db in the data folder."),
    ] = ""
    database_connections: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum connections to PostgreSQL for each server process, besides one for notifications.",
        ),
    ] = 16
    failover_rest_seconds: Annotated[
        Seconds,
        Meta(
            description="How long refreshes are answered 503 after PostgreSQL failed over, in seconds; 0 if its replication is synchronous."
        ),
    ] = 30

    @property
    def sqlite_path(self) -> Path:
        """Where the SQLite database is."""
        return Path(self.database.removeprefix("sqlite:///") if self.database else f"{self.data_dir}/gatepass.db")

    @property
    def is_on_postgres(self) -> bool:
        """Whether the database is PostgreSQL, and not SQLite."""
        return self.database.startswith(_POSTGRES_SCHEMES)

    @property
    def database_shown(self) -> str:
        """Where the data is, without a password."""
        return _PASSWORD.sub(_hidden, self.database) if self.is_on_postgres else str(self.sqlite_path)

    def check(self) -> None:
        """There is a folder, and the database is one that we know."""
        super().check()
        if not self.data_dir:
            raise StartupError("`data_dir` is empty.", "Name a folder, or leave it out for the default, gatepass-data.")
        if self.database and not self.database.startswith(("sqlite:///", *_POSTGRES_SCHEMES)):
            raise StartupError(
                "The database URL is not supported.",
                "Use a URL such as sqlite:///path/to/gatepass.db or postgresql://user@host/database",
            )


def _hidden(password: re.Match[str]) -> str:
    return f"{password[1]}@" if password[2] is None else password[2]
