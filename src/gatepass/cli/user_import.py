"""`gatepass user import`: users of other systems move in, with their ids and their passwords."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from json import dumps
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from gatepass.cli.common import Place, open_admin
from gatepass.cli.output import Json, fail, result, say
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.spellings import FirebaseProject
from gatepass.server.features.admin.imports.foreign_user import ImportPolicy
from gatepass.server.features.admin.imports.import_file import import_rows, rows_of
from gatepass.server.features.admin.imports.providers import LinkableProviders
from gatepass.server.features.admin.imports.source import FormatName, look_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from gatepass.server.features.admin.imports.import_file import Outcome

_HERE = Place()


def import_(  # noqa: PLR0913 - the options of a command
    file: str,
    *,
    from_: Annotated[
        FormatName | None, Parameter(name="--from", help="The system that the file comes from [found by itself].")
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", help="Say of each row what would become of it, and change nothing.")
    ] = False,
    verified: Annotated[bool, Parameter(negative="", help="Every address is known to be its user's.")] = False,
    without_roles: Annotated[bool, Parameter(negative="", help="Roles and groups stay behind.")] = False,
    drop_unknown_passwords: Annotated[
        bool,
        Parameter(
            negative="",
            help="Import users whose hash cannot be read, too: they set a password by email, or sign in otherwise.",
        ),
    ] = False,
    firebase: Annotated[
        Path | None,
        Parameter(
            help="JSON file of the Firebase project's hash parameters: signer_key, salt_separator, rounds, mem_cost."
        ),
    ] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Import users of another system, with their ids and password hashes, from a file (- for standard input).

    The file is a realm of Keycloak; an export, a bulk import or hashes of Auth0; rows of Supabase's `auth.users` as CSV
    or JSON; the table `user` of fastapi-users as SQLite, CSV or JSON; Django's database as SQLite, or its `dumpdata`;
    or our own format, JSON lines.

    A line of our own format is an object with `email`, and optionally `id`, `email_verified`, `disabled`, `roles`,
    `created_at` (seconds since 1970), `name`, `locale`, `metadata`, `app_metadata`, `identities` (each with `provider`
    and `subject`). The hash is `password_hash` in the spelling of Django, Werkzeug, passlib, bcrypt, argon2, crypt(3)
    (`$5$`, `$6$`, `$y$`), phpass, ASP.NET or better-auth; or `keycloak`, a `password` credential of its export; or
    `firebase`, with `password_hash` and `salt`. Without one, or with a `!`, a user can sign in once a password is set.

    Rows that cannot be imported are listed, and all others are imported; a row whose address or id already exists
    is not imported.
    """
    project = None if firebase is None else _firebase_project(firebase)
    with ExitStack() as stack:
        path = stack.enter_context(_file(file))
        settings = place.settings()
        where = place
        if dry_run and not settings.is_on_postgres and not settings.sqlite_path.exists():
            where = replace(place, data_dir=stack.enter_context(tempfile.TemporaryDirectory()), database=None)
        policy = ImportPolicy(
            providers=LinkableProviders(settings.providers),
            are_verified=verified,
            with_roles=not without_roles,
            with_unknown_passwords=drop_unknown_passwords,
        )
        report = _JsonReport(is_dry=dry_run) if json else _TextReport(is_dry=dry_run)

        async def work() -> None:
            try:
                source = look_at(path)
                name = from_ or source.format
                if name is None:
                    fail("The format of the file cannot be told.", "Name it, such as: --from django")
                rows = rows_of(source, name, project)
                async with open_admin(where, must_exist=False) as admin:
                    await report.tell(name, import_rows(admin, rows, policy, is_dry=dry_run))
            except Refusal as error:
                fail(error.detail, "Is it the right file? `--from` names its format.")

        asyncio.run(work())
    if report.refused:
        raise SystemExit(1)


class _Report:
    """Tells what becomes of each row as soon as it is known, and the sum."""

    def __init__(self, *, is_dry: bool) -> None:
        self.is_dry = is_dry
        self.imported = 0
        self.refused: Counter[str] = Counter()

    async def tell(self, format_name: FormatName, outcomes: AsyncIterator[Outcome]) -> None:
        """Tell it all."""
        self.begin(format_name)
        async for each in outcomes:
            if each.refused is None:
                self.imported += 1
            else:
                self.refused[each.refused.code] += 1
            if self.is_dry or each.refused is not None or each.notes:
                self.row(each)
        self.end()

    def begin(self, format_name: FormatName) -> None:
        """Before the first row."""
        raise NotImplementedError

    def row(self, outcome: Outcome) -> None:
        """A row."""
        raise NotImplementedError

    def end(self) -> None:
        """After the last row."""
        raise NotImplementedError


class _TextReport(_Report):
    def begin(self, format_name: FormatName) -> None:
        say(f"The file is of the format {format_name}.")

    def row(self, outcome: Outcome) -> None:
        if outcome.refused is not None:
            say(f"line {outcome.line}: {outcome.refused.code}: {outcome.refused.detail}")
            return
        if self.is_dry:
            result(f"line {outcome.line}: would import {outcome.email} as {outcome.id or 'a new id'}")
        for note in outcome.notes:
            say(f"line {outcome.line}: note: {note}")

    def end(self) -> None:
        verb = "Would import" if self.is_dry else "Imported"
        causes = ", ".join(f"{count} {code}" for code, count in sorted(self.refused.items()))
        say(f"{verb} {self.imported}; {self.refused.total()} refused{f' ({causes})' if causes else ''}.")


class _JsonReport(_Report):
    """One object, written as it comes, because a file may be long: the rows, and then those that were refused."""

    def __init__(self, *, is_dry: bool) -> None:
        super().__init__(is_dry=is_dry)
        self._refusals = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the process
        self._separators = ["\n", "\n"]

    def begin(self, format_name: FormatName) -> None:
        sys.stdout.write(f'{{\n  "format": {dumps(format_name)},\n  "dry_run": {dumps(self.is_dry)},\n  "rows": [')

    def row(self, outcome: Outcome) -> None:
        told: dict[str, object] = {"line": outcome.line, "id": outcome.id, "email": outcome.email}
        if outcome.refused is None:
            self._write(0, sys.stdout, told | {"notes": outcome.notes})
        else:
            self._write(1, self._refusals, told | {"code": outcome.refused.code, "detail": outcome.refused.detail})

    def end(self) -> None:
        sys.stdout.write('\n  ],\n  "refused": [')
        with self._refusals:
            self._refusals.seek(0)
            shutil.copyfileobj(self._refusals, sys.stdout)
        causes = dumps(dict(sorted(self.refused.items())))
        sys.stdout.write(f'\n  ],\n  "causes": {causes},\n  "imported": {self.imported}\n}}\n')

    def _write(self, place: int, file: IO[str], told: dict[str, object]) -> None:
        file.write(f"{self._separators[place]}    {dumps(told, ensure_ascii=False)}")
        self._separators[place] = ",\n"


@contextmanager
def _file(name: str) -> Generator[Path]:
    """The file, which some formats need twice: standard input is kept in a temporary file."""
    if name != "-":
        if not Path(name).is_file():
            fail(f"There is no file {name}.", "Name a file that another system exported.")
        yield Path(name)
        return
    with tempfile.NamedTemporaryFile() as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield Path(kept.name)


def _firebase_project(file: Path) -> FirebaseProject:
    try:
        return msgspec.json.decode(file.read_bytes(), type=FirebaseProject)
    except (OSError, msgspec.MsgspecError) as error:
        fail(f"Cannot read the parameters in {file}: {error}.", "Copy them from the Firebase console, as base64.")
