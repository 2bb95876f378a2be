"""The composition root: from settings to an application that serves. Nobody else knows everybody."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from gatepass.server.account import Account
from gatepass.server.clock import system_clock
from gatepass.server.discovery import JWKS_PATH, metadata_path, render_jwks, render_metadata
from gatepass.server.errors import StartupError, Unavailable
from gatepass.server.health import Health
from gatepass.server.keys.keyring import LiveKeys, new_refresh_key, new_signing_key, signs
from gatepass.server.keys.master_key import load_master_key
from gatepass.server.login import Login
from gatepass.server.logout import Logout
from gatepass.server.passwords.hashing import Argon2Cost, PasswordHasher
from gatepass.server.refresh import Refresh
from gatepass.server.registration import Registration
from gatepass.server.signin.caller import Callers
from gatepass.server.signin.minting import Minter
from gatepass.server.signup import Signup
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.application import Application
from gatepass.server.web.browser import BrowserMode
from gatepass.server.web.cors import Cors
from gatepass.server.web.docs_page import render_docs, stylesheet
from gatepass.server.web.documents import Document
from gatepass.server.web.headers import API_POLICY, PAGE_POLICY, security_headers
from gatepass.server.web.openapi import describe
from gatepass.server.web.routing import RouteTable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gatepass.server.clock import Clock
    from gatepass.server.keys.keyring import StoredKey
    from gatepass.server.keys.master_key import MasterKey
    from gatepass.server.settings import Settings
    from gatepass.server.transaction import Database, Transaction
    from gatepass.server.web.routing import Route

log = structlog.get_logger("gatepass")

_WATCH_SECONDS = 0.1
"""How often another process's changes are looked for; a look takes some microseconds."""
_WATCH_PAUSE_SECONDS = 5.0
"""How long to let things be after a look that failed."""


class Server:
    """What one process holds: the store, the keys, the hashing threads; and the routes over them."""

    def __init__(
        self, settings: Settings, database: SqliteDatabase, keys: LiveKeys, *, master: MasterKey, clock: Clock
    ) -> None:
        self.settings = settings
        self.database = database
        self.keys = keys
        self.master = master
        self._clock = clock
        self.hasher = password_hasher(settings)
        self.routes = self._routes()
        self._documents = self._fixed_documents()
        self._render_keys()

    def application(self) -> Application:
        """The ASGI application."""
        return Application(
            RouteTable(self.routes),
            self._documents,
            settings=self.settings,
            cors=Cors(self.settings),
            headers=security_headers(self.settings),
        )

    async def watch(self) -> None:
        """Take over keys that another process has changed, until cancelled; a look that fails is not the last."""
        seen = self.database.data_version()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                current = self.database.data_version()
                if current != seen:
                    await self.reload_keys()
                    seen = current
            except (Unavailable, StartupError) as error:
                log.warning("cannot take over the keys", reason=str(error))
                await asyncio.sleep(_WATCH_PAUSE_SECONDS)

    async def reload_keys(self) -> None:
        """Read the keys again, and publish them when they changed."""
        stored = await stored_keys(self.database)
        if self.keys.update(stored, self._clock()):
            self._render_keys()

    def _routes(self) -> tuple[Route, ...]:
        settings, database, keys = self.settings, self.database, self.keys
        browser = BrowserMode(settings)
        minter = Minter(settings, browser)
        callers = Callers(database, keys=keys, settings=settings, clock=self._clock)
        login = Login(
            database,
            self.hasher,
            minter,
            keys=keys,
            browser=browser,
            address=ClientAddress(settings.trusted_proxy),
            settings=settings,
        )
        refresh = Refresh(database, minter, keys=keys, browser=browser, settings=settings)
        logout = Logout(database, callers, keys=keys, browser=browser)
        account = Account(database, callers, settings)
        signup = Signup(Registration(database, self.hasher, settings), settings)
        flows = (signup, login, refresh, logout, account)
        base = urlsplit(settings.issuer_url).path
        under_issuer = [replace(route, path=base + route.path) for flow in flows for route in flow.routes()]
        return (*under_issuer, *Health(database).routes())

    def _fixed_documents(self) -> dict[str, Document]:
        issuer, base = self.settings.issuer_url, urlsplit(self.settings.issuer_url).path
        api = describe(self.routes, issuer=issuer, version=version("gatepass"))
        page = render_docs(self.routes, issuer)
        return {
            metadata_path(issuer): self._document(render_metadata(issuer)),
            f"{base}/openapi.json": self._document(msgspec.json.encode(api)),
            f"{base}/docs": self._document(page, "text/html; charset=utf-8", PAGE_POLICY),
            f"{base}/static/gatepass.css": self._document(stylesheet(), "text/css; charset=utf-8"),
        }

    def _render_keys(self) -> None:
        path = urlsplit(self.settings.issuer_url).path + JWKS_PATH
        self._documents[path] = self._document(render_jwks(self.keys.current), "application/jwk-set+json")

    def _document(self, body: bytes, media_type: str = "application/json", policy: str = API_POLICY) -> Document:
        return Document(
            body,
            media_type=media_type,
            max_age=self.settings.jwks_max_age_seconds,
            headers=security_headers(self.settings, policy),
        )


def password_hasher(settings: Settings) -> PasswordHasher:
    """The hasher at the cost that is set."""
    return PasswordHasher(
        Argon2Cost(memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes, lanes=settings.argon2_lanes),
        queue_length=settings.login_queue_length,
    )


@asynccontextmanager
async def open_server(settings: Settings, clock: Clock = system_clock) -> AsyncGenerator[Server]:
    """Open the store and the keys, made at the first start, and close them at the end.

    Raises:
        StartupError: when the data folder, the database or the master key cannot be used.
    """
    async with open_store(settings, clock) as (database, master):
        keys = await provide_keys(database, master, settings.alg, clock())
        server = Server(settings, database, keys, master=master, clock=clock)
        watcher = asyncio.create_task(server.watch())
        try:
            yield server
        finally:
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            server.hasher.close()


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Clock = system_clock
) -> AsyncGenerator[tuple[SqliteDatabase, MasterKey]]:
    """Open the database and the master key, as the server and the command line both do. Raises as `open_server`."""
    database = SqliteDatabase(settings.sqlite_path, clock)
    try:
        yield database, load_master_key(settings.master_key, settings.master_key_path)
    finally:
        database.close()


async def stored_keys(database: Database) -> list[StoredKey]:
    """Every key that is stored."""

    async def unit(tx: Transaction) -> list[StoredKey]:
        return await tx.keys.all()

    return await database.read(unit)


async def provide_keys(database: Database, master: MasterKey, alg: str, now: float) -> LiveKeys:
    """Open the stored keys, making what is missing; another algorithm than the last one's means a new signing key."""
    stored = await stored_keys(database)
    if not any(signs(key) and key.alg == alg for key in stored):
        stored = await rotate(database, master, alg, now, only_if_missing=True)
    return LiveKeys(stored, master, now)


async def rotate(
    database: Database, master: MasterKey, alg: str, now: float, *, only_if_missing: bool = False
) -> list[StoredKey]:
    """Sign with a new key from now on; the old one goes on verifying while its tokens live. Every key is returned.

    With `only_if_missing`, of two processes that start at once only one makes the key.

    Raises:
        StartupError: when the stored keys are under another master key.
    """
    signing_key, refresh_key = new_signing_key(alg, master, now), new_refresh_key(master, now)

    async def unit(tx: Transaction) -> list[StoredKey]:
        stored = await tx.keys.all()
        for key in stored:
            master.unseal(key.sealed, key.kid)  # keys under two master keys would keep the server from starting
        if not any(key.use == "refresh" for key in stored):
            await tx.keys.add(refresh_key)
        if not (only_if_missing and any(signs(key) and key.alg == alg for key in stored)):
            await tx.keys.retire_signing(tx.now)
            await tx.keys.add(signing_key)
        return await tx.keys.all()

    return await database.transaction(unit)
