"""`gatepass backup` and `gatepass restore`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gatepass.cli.common import Place
from gatepass.cli.output import say
from gatepass.server.base.clock import system_clock
from gatepass.server.base.errors import StartupError
from gatepass.server.domain.keys.data_key import unlock
from gatepass.server.domain.keys.master_key import read_master_keys
from gatepass.server.domain.revocation.restoring import begin_anew
from gatepass.server.store.opening import open_store
from gatepass.server.store.sqlite_backup import back_up, put_back

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.store.sqlite import SqliteDatabase

backup_app = App(name="backup", help="Copy the database into a file, also while a server is running.")
restore_app = App(name="restore", help="Restore a backup.")

_HERE = Place()


@backup_app.default
def backup(file: Path, *, place: Place = _HERE) -> None:
    """Copy the database into a new file, also while a server is running. The backup does not hold the master key."""
    settings = _on_sqlite(place.settings())
    back_up(settings.sqlite_path, file)
    say(f"Wrote {file}.")
    say(f"Back up {_master_key(settings.master_key)} too: the backup does not hold it, and is useless without it.")


@restore_app.default
def restore(
    file: Path | None = None,
    *,
    in_place: Annotated[
        bool, Parameter(negative="", help="Finish a restore that was done with PostgreSQL's own tools.")
    ] = False,
    keep_sessions: Annotated[
        bool, Parameter(negative="", help="Keep all sessions of the backup, also those that have ended since.")
    ] = False,
    place: Place = _HERE,
) -> None:
    """Replace the database by a backup. All users have to sign in again."""
    settings = place.settings()
    if (file is None) != in_place:
        raise StartupError(
            "Name a backup file, or give --in-place.", "gatepass restore FILE, or gatepass restore --in-place"
        )
    if file is None:
        ended = asyncio.run(_begin_anew(settings, keep_sessions=keep_sessions))
    else:
        ended = asyncio.run(_put_back(_on_sqlite(settings), file, keep_sessions=keep_sessions))
    say(f"Restored {file or 'in place'}; " + ("sessions were kept." if keep_sessions else f"{ended} sessions ended."))


async def _put_back(settings: Settings, file: Path, *, keep_sessions: bool) -> int:
    ended = 0

    async def prepare(database: SqliteDatabase) -> None:
        nonlocal ended
        masters = read_master_keys(settings.master_key, settings.master_key_path)
        await unlock(database, masters, settings.master_key_path)  # refuse a backup whose keys cannot be decrypted
        ended = await begin_anew(database, keep_sessions=keep_sessions)

    await put_back(file, settings.sqlite_path, system_clock, prepare)
    return ended


async def _begin_anew(settings: Settings, *, keep_sessions: bool) -> int:
    async with open_store(settings, must_exist=True) as (database, _):
        return await begin_anew(database, keep_sessions=keep_sessions)


def _on_sqlite(settings: Settings) -> Settings:
    if settings.is_on_postgres:
        raise StartupError(
            "PostgreSQL is backed up and restored by its own tools.",
            "See `docs/operate/backup.md`: pg_dump, or continuous archiving.",
        )
    return settings


def _master_key(setting: str) -> str:
    return "GATEPASS_MASTER_KEY" if setting else "the file master.key"
