"""`gatepass migrate-data`."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import App, Parameter

from gatepass.cli.output import Json, result_json, result_table, say
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.store.moving import move

app = App(name="migrate-data", help="Move everything from SQLite to PostgreSQL.")


@app.default
def migrate_data(
    *,
    source: Annotated[str, Parameter(name="--from", help="sqlite:///FILE; stop its server first.")],
    target: Annotated[str, Parameter(name="--to", help="postgresql://USER@HOST/NAME, an empty database.")],
    json: Json = False,
) -> None:
    """Copy every row into an empty PostgreSQL database, and check the counts. Sessions stay valid."""
    here, there = load(flags={"database": source}), load(flags={"database": target})
    if here.is_on_postgres or not there.is_on_postgres:
        raise StartupError(
            "Data can be moved from SQLite to PostgreSQL only.",
            "gatepass migrate-data --from sqlite:///FILE --to postgresql://…",
        )
    counts = asyncio.run(move(here.sqlite_path, there.database))
    if json:
        result_json(counts)
        return
    result_table(("table", "rows"), [(table, str(count)) for table, count in sorted(counts.items())])
    say(f"Moved {sum(counts.values())} rows. Keep the same master key: it is not in the database.")
    say(f"next: gatepass serve --database {there.database_shown}")
