"""`gatepass doctor`: whether a server can run here as it is set, each thing that it needs by itself."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography import x509
from cyclopts import App

from gatepass.cli.common import Place
from gatepass.cli.output import Json, result, result_json
from gatepass.cli.serve import warnings
from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.domain.keys.rotation import stored_keys
from gatepass.server.domain.keys.schedule import line
from gatepass.server.domain.mail.smtp import NotSent, mail_sender
from gatepass.server.domain.providers.presets import make_providers
from gatepass.server.domain.providers.provider import Journey
from gatepass.server.store.opening import open_store
from gatepass.server.store.sqlite import examine
from gatepass.server.store.sqlite_log import frames_behind_damage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.schedule import StoredKey, Use
    from gatepass.server.domain.ports import Database, Transaction

app = App(name="doctor", help="Look whether a server can run here.")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DAYS_TO_RENEW = 14
_DAY = 86_400


_NO_JOURNEY = Journey(state="", nonce="", verifier="", redirect_uri="")


class Finding(NamedTuple):
    """What was looked at, how it is, and what to do about it."""

    level: Literal["ok", "warning", "error"]
    what: str
    text: str
    hint: str = ""


@app.default
def doctor(*, place: Place = Place(), json: Json = False) -> None:  # noqa: B008 - frozen
    """Look at settings, data, keys, certificate, mail server and providers; an error ends with status 1.

    The database is opened as a start of the server would, so an older one is brought up to date.
    """
    findings = asyncio.run(_examine(place))
    if json:
        result_json([finding._asdict() for finding in findings])
    else:
        for level, what, text, hint in findings:
            result(f"{level:7}  {what:11}  {text}")
            if hint:
                result(f"{'':7}  {'':11}  hint: {hint}")
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(1)


async def _examine(place: Place) -> list[Finding]:
    try:
        settings = place.settings()
    except StartupError as error:
        return [Finding("error", "settings", error.message, error.hint)]
    source = f", with {place.file}" if place.file else ""
    found = [Finding("ok", "settings", f"the issuer is {settings.issuer_url}{source}")]
    found += [Finding("warning", "settings", text) for text in warnings(settings)]
    try:
        settings.check_proxy_is_declared()
    except StartupError as error:
        found.append(Finding("error", "proxy", error.message, error.hint))
    found.append(_folder(Path(settings.data_dir)))
    async for finding in _store(settings):
        found.append(finding)
    if settings.tls_cert:
        found.append(_certificate(Path(settings.tls_cert)))
    if settings.mail == "smtp":
        found.append(await _mail_server(settings))
    found += await _providers(settings)
    return found


def _folder(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("ok", "data folder", f"{folder} will be made at the first start")
    if folder.stat().st_mode & _OTHERS:
        return Finding("warning", "data folder", f"{folder} is open to other users", f"chmod 700 {folder}")
    return Finding("ok", "data folder", f"{folder} is nobody else's")


async def _store(settings: Settings) -> AsyncGenerator[Finding]:
    """The database, the key that opens it, and the keys that sign."""
    if not settings.is_on_postgres and not settings.sqlite_path.exists():
        yield Finding("ok", "database", f"{settings.sqlite_path} will be made at the first start")
        return
    try:
        if not settings.is_on_postgres:
            yield _log(settings.sqlite_path)  # first: opening the database ends the log where it is damaged
            yield _integrity(settings.sqlite_path)
        async with open_store(settings) as (database, _):
            condition = await database.condition()
            yield Finding("ok", "database", f"{settings.database_shown} can be written to")
            yield Finding("ok", "master key", "it opens what is in the database")
            if not condition.is_clock_right:
                yield Finding("error", "clock", "the database's time is not known", "Run it again; see `/ready`.")
            yield _keys(await stored_keys(database))
            yield await _addresses(database)
    except StartupError as error:
        yield Finding("error", "database", error.message, error.hint)
    except Unavailable as error:
        yield Finding("error", "database", error.private or error.detail, "Another program may hold it; try again.")


def _keys(stored: list[StoredKey]) -> Finding:
    """Which keys sign, or wait to. ID tokens may have none of their own yet: the first who asks for one has it made."""
    if not line(stored, "sig"):
        return Finding("ok", "keys", "the first will be made at the first start")
    kinds: tuple[tuple[Use, str], ...] = (("sig", "signatures"), ("documents", "documents"), ("id_token", "ID tokens"))
    return Finding(
        "ok", "keys", ", ".join(f"{len(keys)} for {what}" for use, what in kinds if (keys := line(stored, use)))
    )


def _log(path: Path) -> Finding:
    """Whether SQLite reads its log to the end. What is cut off there is not missed by anything else."""
    unseen = min(frames_behind_damage(path), frames_behind_damage(path))  # a server may be writing: look twice
    if unseen:
        text = f"{path}-wal is not sound, and {unseen} pages at its end are not read"
        hint = "A crash within a commit that nobody was told of looks so; was it a damaged disk, then restore a backup."
        return Finding("warning", "log", text, hint)
    return Finding("ok", "log", "the database's log is read to its end")


def _integrity(path: Path) -> Finding:
    """Whether every page of a SQLite database is sound. What the log behind it may have lost, nothing tells."""
    problems = examine(path)
    if problems:
        return Finding(
            "error", "integrity", f"{path} is damaged: {problems[0]}", "Stop the server, and restore a backup."
        )
    text = "every page and index is sound; commits that a log (-wal) has lost before today leave no trace to look for"
    return Finding("ok", "integrity", text)


async def _addresses(database: Database) -> Finding:
    """Whether it was known where the sign-ins of the last day came from."""

    async def unit(tx: Transaction) -> tuple[int, int]:
        return await tx.events.sign_ins_since(tx.now - _DAY)

    tried, unknown = await database.read(unit)
    if unknown:
        text = f"of {unknown} of the last day's {tried} sign-ins it is not known where they came from"
        return Finding("warning", "addresses", text, "See that the proxy sets the `trusted_header` that is believed.")
    return Finding("ok", "addresses", f"known of all {tried} sign-ins of the last day")


def _certificate(file: Path) -> Finding:
    try:
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:
        return Finding(
            "error", "certificate", f"{file} cannot be read: {error}", "It is a PEM file, the chain in order."
        )
    days = int((ends - time.time()) // _DAY)
    if days < 0:
        return Finding("error", "certificate", f"{file} has expired", "Renew it.")
    text = f"{file} is good for {days} more days"
    return Finding("warning" if days < _DAYS_TO_RENEW else "ok", "certificate", text)


async def _mail_server(settings: Settings) -> Finding:
    sender = mail_sender(settings)
    assert sender is not None
    try:
        await sender.check()
    except NotSent as error:
        return Finding("error", "mail server", str(error), "Look at `smtp_url` and `smtp_password`.")
    return Finding("ok", "mail server", "it lets us in")


async def _providers(settings: Settings) -> list[Finding]:
    """Whether people can be sent to each provider: its metadata is read, where it has some."""
    try:
        providers = make_providers(settings.providers)
    except StartupError as error:
        return [Finding("error", "providers", error.message, error.hint)]
    found: list[Finding] = []
    for provider in providers.values():
        try:
            await provider.way_there(_NO_JOURNEY, time.time())
        except Unavailable as error:
            text = f"{provider.id}: {error.private}"
            found.append(Finding("error", "providers", text, f"Look at the issuer in `providers.{provider.id}`."))
        else:
            found.append(Finding("ok", "providers", f"people can be sent to {provider.id}"))
    return found
