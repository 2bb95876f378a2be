"""`gatepass doctor`: check one by one what a server needs to run here with its settings."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryptography import x509
from cyclopts import App

from gatepass.cli.common import Place
from gatepass.cli.output import Json, counted, result, result_json
from gatepass.cli.serve import warnings
from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.domain.keys.rotation import stored_keys
from gatepass.server.domain.keys.schedule import line
from gatepass.server.domain.mail.smtp import NotSent, mail_sender
from gatepass.server.domain.mail.wording import MailWording
from gatepass.server.domain.providers.presets import make_providers
from gatepass.server.domain.providers.provider import Journey
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.server.hooks.plugins import load_plugins
from gatepass.server.store.opening import open_store
from gatepass.server.store.sqlite import examine
from gatepass.server.store.sqlite_log import frames_behind_damage
from gatepass.verify.fetch import follow
from gatepass.verify.issuer import FetchError, IssuerKeys

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.feed import EventReader
    from gatepass.server.domain.keys.schedule import StoredKey, Use
    from gatepass.server.domain.ports import Database, Transaction

app = App(name="doctor", help="Check whether a server can run here.")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_DAYS_TO_RENEW = 14
_DAY = 86_400
_MOST_NAMED = 20


_NO_JOURNEY = Journey(state="", nonce="", verifier="", redirect_uri="")


class Finding(NamedTuple):
    """What was checked, its state, and what to do about it."""

    level: Literal["ok", "warning", "error"]
    what: str
    text: str
    hint: str = ""


@app.default
def doctor(*, place: Place = Place(), json: Json = False) -> None:  # noqa: B008 - frozen
    """Check settings, data, keys, certificate, mail server, providers and trusted issuers; an error ends with status 1.

    The database is opened as when the server starts, so an older one is migrated.
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
    found += _texts(settings)
    found += _foreign_tokens(settings)
    if settings.tls_cert:
        found.append(_certificate(Path(settings.tls_cert)))
    if settings.mail == "smtp":
        found.append(await _mail_server(settings))
    found += _plugins()
    found += [Finding("ok", "hook", f"{hook}: {url}") for hook, url in settings.hook_urls.items()]
    found += await _providers(settings)
    found += await _trusted_issuers(settings)
    return found


def _texts(settings: Settings) -> list[Finding]:
    """What the operator's files of texts lack, and whether the templates of emails can be used."""
    try:
        wording = MailWording.of(settings)
    except StartupError as error:
        return [Finding("error", "texts", error.message, error.hint)]
    found: list[Finding] = []
    for language, missing in wording.texts.missing.items():
        if missing:
            text = f"{language} lacks {len(missing)} of {len(wording.texts.of(language))} texts, which are English"
            found.append(
                Finding("warning", "texts", text, f"Add to {language}.toml: {', '.join(missing[:_MOST_NAMED])}")
            )
        else:
            found.append(Finding("ok", "texts", f"{language} is complete"))
    if settings.mail_templates:
        found.append(Finding("ok", "texts", f"the templates in {settings.mail_templates} can be used"))
    return found


def _foreign_tokens(settings: Settings) -> list[Finding]:
    """Which former systems' tokens are still traded."""
    found: list[Finding] = []
    for name, each in settings.foreign_tokens.items():
        left = each.policy(name).ends_at - time.time()
        if left > 0:
            found.append(Finding("ok", "foreign tokens", f"{name}: traded for {int(left // 3_600)} more hours"))
        else:
            hint = f"Remove [foreign_tokens.{name}], and the former system's key."
            found.append(Finding("warning", "foreign tokens", f"{name}: every token of that system has expired", hint))
    return found


def _plugins() -> list[Finding]:
    """What is installed beside Gatepass, and what it does."""
    try:
        return [
            Finding("ok", "plugin", f"{plugin.name}: {', '.join(plugin.uses) or 'does nothing'}")
            for plugin in load_plugins()
        ]
    except StartupError as error:
        return [Finding("error", "plugin", error.message, error.hint)]


def _folder(folder: Path) -> Finding:
    if not folder.exists():
        return Finding("ok", "data folder", f"{folder} will be created at the first start")
    if folder.stat().st_mode & _OTHERS:
        return Finding("warning", "data folder", f"{folder} is accessible to other users", f"chmod 700 {folder}")
    return Finding("ok", "data folder", f"{folder} is not accessible to other users")


async def _store(settings: Settings) -> AsyncGenerator[Finding]:
    """The database, the master key and the signing keys."""
    if not settings.is_on_postgres and not settings.sqlite_path.exists():
        yield Finding("ok", "database", f"{settings.sqlite_path} will be created at the first start")
        return
    try:
        if not settings.is_on_postgres:
            yield _log(settings.sqlite_path)  # first, because opening the database truncates a damaged log
            yield _integrity(settings.sqlite_path)
        async with open_store(settings) as (database, _):
            condition = await database.condition()
            yield Finding("ok", "database", f"{settings.database_shown} is writable")
            yield Finding("ok", "master key", "it decrypts the keys in the database")
            if not condition.is_clock_right:
                yield Finding("error", "clock", "the database's time is not known yet", "Try again: gatepass doctor")
            yield _keys(await stored_keys(database))
            yield await _addresses(database)
            yield await _logouts(database)
            yield await _webhooks(database)
            yield await _hooks(database)
            for finding in await _readers(database):
                yield finding
            for finding in await _reserved_names(database):
                yield finding
    except StartupError as error:
        yield Finding("error", "database", error.message, error.hint)
    except Unavailable as error:
        yield Finding("error", "database", error.private or error.detail, "Another program may lock it: try again.")


def _keys(stored: list[StoredKey]) -> Finding:
    """The keys that sign, or will. A key for ID tokens may not exist yet: the first ID token creates it."""
    if not line(stored, "sig"):
        return Finding("ok", "keys", "the first will be created at the first start")
    kinds: tuple[tuple[Use, str], ...] = (("sig", "signatures"), ("documents", "documents"), ("id_token", "ID tokens"))
    return Finding(
        "ok", "keys", ", ".join(f"{len(keys)} for {what}" for use, what in kinds if (keys := line(stored, use)))
    )


def _log(path: Path) -> Finding:
    """Whether SQLite can read its log to the end. No other check would notice lost commits."""
    unseen = min(frames_behind_damage(path), frames_behind_damage(path))  # a server may be writing, so check twice
    if unseen:
        text = f"{path}-wal is damaged, and {unseen} pages at its end are lost"
        hint = "After a crash this is normal and harmless. If the disk is damaged, restore a backup."
        return Finding("warning", "log", text, hint)
    return Finding("ok", "log", "the database's log is complete")


def _integrity(path: Path) -> Finding:
    """Whether every page of a SQLite database is valid. It cannot show what the log has lost."""
    problems = examine(path)
    if problems:
        return Finding(
            "error",
            "integrity",
            f"{path} is damaged: {problems[0]}",
            "Stop the server and restore a backup: gatepass restore FILE",
        )
    text = "every page and index is valid; commits lost earlier with a damaged log (-wal) cannot be detected"
    return Finding("ok", "integrity", text)


async def _addresses(database: Database) -> Finding:
    """Whether the client addresses of the last day's sign-ins are known."""

    async def unit(tx: Transaction) -> tuple[int, int]:
        return await tx.events.sign_ins_since(tx.now - _DAY)

    tried, unknown = await database.read(unit)
    if unknown:
        text = f"the client address of {unknown} of the last day's {tried} sign-ins is unknown"
        return Finding("warning", "addresses", text, "Check that the proxy sets the header named by `trusted_header`.")
    return Finding("ok", "addresses", f"known for all {tried} sign-ins of the last day")


async def _logouts(database: Database) -> Finding:
    """Whether clients were told of the last day's logouts, as far as they want to be."""

    async def unit(tx: Transaction) -> dict[str, int]:
        return await tx.events.reasons_since("logout_not_delivered", tx.now - _DAY)

    missed = await database.read(unit)
    if missed:
        text = ", ".join(f"{client_id} missed {count}" for client_id, count in sorted(missed.items()))
        return Finding(
            "warning",
            "logouts",
            f"clients that could not be told of logouts in the last day: {text}",
            "Check the client's `backchannel_logout_uri`, and what the server's log says of it.",
        )
    return Finding("ok", "logouts", "every client was told of the last day's logouts")


async def _webhooks(database: Database) -> Finding:
    """Whether webhooks were told what they are to be told."""

    async def unit(tx: Transaction) -> list[tuple[str, int]]:
        return await tx.webhook_deliveries.not_delivered()

    missing = await database.read(unit)
    if missing:
        text = ", ".join(f"{webhook_id} lacks {count}" for webhook_id, count in missing)
        hint = "See why, and send them again once it is mended: gatepass webhook deliveries ID"
        return Finding("warning", "webhooks", f"deliveries failed: {text}", hint)
    return Finding("ok", "webhooks", "no delivery has failed")


async def _hooks(database: Database) -> Finding:
    """Whether hooks answered in the last day. While one fails, what it decides about is refused."""

    async def unit(tx: Transaction) -> dict[str, int]:
        return await tx.events.reasons_since("hook_failed", tx.now - _DAY)

    failed = await database.read(unit)
    if failed:
        text = ", ".join(f"{name} in {counted(count, 'minute')}" for name, count in sorted(failed.items()))
        hint = "The server's log says why each time (hook_unavailable, claims_unavailable)."
        return Finding("warning", "hooks", f"hooks that failed in the last day: {text}", hint)
    return Finding("ok", "hooks", "none failed in the last day")


async def _readers(database: Database) -> list[Finding]:
    """Whether plugins take the events that they are told."""

    async def unit(tx: Transaction) -> tuple[list[EventReader], float]:
        return await tx.event_feed.readers(), tx.now

    readers, now = await database.read(unit)
    found: list[Finding] = []
    for reader in readers:
        if reader.error:
            tries = counted(reader.tries, "time")
            text = f"{reader.name} failed {tries} at an event, and what follows waits: {reader.error}"
            found.append(Finding("warning", "events", text, "The server's log names the event."))
        elif now - reader.seen_at > _DAY:
            days = int((now - reader.seen_at) // _DAY)
            ran = counted(days, "day")
            text = f"no server with the plugin {reader.name} has run for {ran}; its events are kept for 30"
            found.append(Finding("warning", "events", text, "Install the plugin again, or let it be forgotten."))
    return found


async def _reserved_names(database: Database) -> list[Finding]:
    """Who lost a role or scope at an upgrade, because it became a right at this server."""

    async def unit(tx: Transaction) -> list[tuple[str, str]]:
        return await tx.users.reserved_names_taken()

    taken = await database.read(unit)
    if not taken:
        return []
    text = ", ".join(f"{name} from {holder}" for holder, name in taken)
    hint = "Give your application's role or scope another name; operators are made with gatepass user role."
    return [Finding("warning", "reserved names", f"an upgrade took {text}", hint)]


def _certificate(file: Path) -> Finding:
    try:
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:
        return Finding(
            "error", "certificate", f"{file} cannot be read: {error}", "It must be a PEM file with the chain in order."
        )
    days = int((ends - time.time()) // _DAY)
    if days < 0:
        return Finding("error", "certificate", f"{file} has expired", "Renew the certificate.")
    text = f"{file} is valid for {days} more days"
    return Finding("warning" if days < _DAYS_TO_RENEW else "ok", "certificate", text)


async def _mail_server(settings: Settings) -> Finding:
    sender = mail_sender(settings)
    assert sender is not None
    try:
        await sender.check()
    except NotSent as error:
        return Finding("error", "mail server", str(error), "Check `smtp_url` and `smtp_password`.")
    return Finding("ok", "mail server", "it accepts our login")


async def _providers(settings: Settings) -> list[Finding]:
    """Whether each provider can be used: its metadata is read, if it has any."""
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
            found.append(Finding("error", "providers", text, f"Check the issuer in `providers.{provider.id}`."))
        else:
            found.append(Finding("ok", "providers", f"{provider.id} can be used to sign in"))
    return found


async def _trusted_issuers(settings: Settings) -> list[Finding]:
    """Whether each has keys: those at a URL are fetched as the server does."""
    fetch, found = PublicFetch.of(settings), list[Finding]()
    for name, trusted in settings.trusted_issuers.items():
        text, hint = f"{name}: {trusted.jwks_file} holds its keys", ""
        if trusted.jwks_url:
            keys = IssuerKeys(trusted.issuer, jwks_url=trusted.jwks_url)
            try:
                published = await follow(keys.refresh(time.time()), fetch.get)
                text = f"{name}: it publishes {len(published.keys)} keys"
                hint = "" if published.keys else f"Check `jwks_url` in `trusted_issuers.{name}`."
            except FetchError as error:
                text, hint = f"{name}: {error}", f"Check `jwks_url` in `trusted_issuers.{name}`."
        found.append(Finding("error" if hint else "ok", "trusted issuers", text, hint))
    return found
