"""The application: every module over one core. A new capability is a name in `MODULES`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.core import make_core
from gatepass.server.domain.credentials.passwords.hashing import keep_large_blocks
from gatepass.server.domain.events.settings_watch import note_settings
from gatepass.server.domain.keys.rotation import pace_of, provide_keys
from gatepass.server.features.account.module import module as account
from gatepass.server.features.keys.module import module as keys
from gatepass.server.features.login.module import module as login
from gatepass.server.features.mail.module import module as mail
from gatepass.server.features.oauth.module import module as oauth
from gatepass.server.features.recovery.module import module as recovery
from gatepass.server.features.revocation_feed.module import module as revocation_feed
from gatepass.server.features.session.module import module as session
from gatepass.server.features.signup.module import module as signup
from gatepass.server.features.site.module import module as site
from gatepass.server.hooks import load_plugins
from gatepass.server.module import Job
from gatepass.server.store.opening import open_store
from gatepass.server.web.auth.gate import Gate
from gatepass.server.web.cors import Cors
from gatepass.server.web.dispatcher import Application
from gatepass.server.web.docs_page import render_docs
from gatepass.server.web.headers import PAGE_POLICY
from gatepass.server.web.openapi import describe
from gatepass.server.web.routing import RouteTable
from gatepass.server.web.tracing import tracing_to

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.core import Core
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.tracing import Tracing

log = structlog.get_logger("gatepass")

# What signs comes before what is signed: changes of the store are taken over in this order.
MODULES = (keys, signup, login, recovery, session, account, mail, oauth, revocation_feed, site)

_EXPIRY_SECONDS = 60.0
_WARM_UP_SECONDS = 2.0
_PAUSE_SECONDS = 1.0
"""How long to let things be after a step that failed."""


class Server:
    """What one process serves: the modules over their core."""

    def __init__(self, core: Core, tracing: Tracing) -> None:
        self.core = core
        self._tracing = tracing
        self._modules = tuple(module(core) for module in MODULES)
        base = urlsplit(core.settings.issuer_url).path
        under_issuer = (replace(route, path=base + route.path) for module in self._modules for route in module.routes)
        self.routes = (*under_issuer, *(route for module in self._modules for route in module.at_root))
        for module in self._modules:
            if module.catch_up is not None:
                core.replica.add_step(module.catch_up)
            if module.templates:
                core.pages.add_templates(module.templates)
            if module.gauges is not None:
                core.metrics.add_gauges(module.gauges)
        self._publish_descriptions()

    def application(self) -> Application:
        """The ASGI application."""
        return Application(
            RouteTable(self.routes),
            self.core.documents.by_path,
            gate=self._gate(),
            context=self.core.call_context,
            settings=self.core.settings,
            cors=Cors(self.core.settings),
            pages=self.core.pages,
            metrics=self.core.metrics,
            tracing=self._tracing,
        )

    def _gate(self) -> Gate:
        core = self.core
        proofs = {auth: proof for module in self._modules for auth, proof in module.proofs.items()}
        return Gate(
            core.bearer_auth, core.recent_auth, core.cookie_auth, core.client_auth, pages=core.pages, others=proofs
        )

    async def start(self) -> None:
        """Do what comes before the first answer."""
        for module in self._modules:
            if module.start is not None:
                await module.start()

    async def run_in_background(self) -> None:
        """Do what has to be done beside answering, until cancelled."""
        jobs = (
            Job(every=0, run=self.core.replica.follow),
            Job(every=_EXPIRY_SECONDS, run=self._forget_expired),
            *(job for module in self._modules for job in module.jobs),
        )
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(_repeat(job))
            tasks.create_task(self._warm_up())

    def drain(self) -> None:
        """End what never ends by itself: the server is about to stop."""
        for module in self._modules:
            if module.drain is not None:
                module.drain()

    async def _forget_expired(self) -> None:
        """Forget in one transaction what no longer counts, of every module."""

        async def unit(tx: Transaction) -> None:
            for module in self._modules:
                for forget in module.expiry:
                    await forget(tx)

        await self.core.database.transaction(unit, shared=True)

    async def _warm_up(self) -> None:
        """Get ready for people, once those who waited for the start have been answered."""
        await asyncio.sleep(_WARM_UP_SECONDS)
        for module in self._modules:
            if module.warm_up is not None:
                await asyncio.to_thread(module.warm_up)

    def _publish_descriptions(self) -> None:
        """Publish what describes all modules together: the OpenAPI document, and the page that shows it."""
        documents, issuer = self.core.documents, self.core.settings.issuer_url
        api = msgspec.json.encode(describe(self.routes, issuer=issuer, version=version("gatepass")))
        documents.publish("/openapi.json", documents.make(api))
        page = render_docs(self.routes, issuer)
        documents.publish("/docs", documents.make(page, "text/html; charset=utf-8", PAGE_POLICY))


@asynccontextmanager
async def open_server(
    settings: Settings,
    clock: Clock | None = None,
    *,
    outside_keys: Sequence[OutsideKey] = (),
    most_connections: int | None = None,
    shared: Path | None = None,
) -> AsyncGenerator[Server]:
    """Open the store and the keys, made at the first start, and close them at the end.

    Args:
        settings: The settings.
        clock: Another time than the database's, for tests.
        outside_keys: Signing keys held elsewhere (KMS, PKCS#11), the newest last. One that is new follows the key
            that signs, as any other would; keep the former until it is retired. Those of plugins come after them.
        most_connections: How many this process can hold; `max_connections` when not given.
        shared: This process's file in a folder where other workers have theirs, for what is counted.

    Raises:
        StartupError: when the data folder, the database, the master key or a plugin cannot be used.
    """
    keep_large_blocks()
    tracing = tracing_to(settings.traces)
    plugins = load_plugins()
    held_elsewhere = [*outside_keys, *[key for plugin in plugins for key in await plugin.read_signing_keys()]]
    async with open_store(settings, clock) as (database, data_key):
        live_keys = await provide_keys(
            database,
            data_key,
            pace_of(settings),
            alg=settings.alg,
            id_token_alg=settings.id_token_alg,
            now=database.clock(),
            outside=held_elsewhere,
        )
        await note_settings(database, data_key, settings)
        most = most_connections or settings.max_connections
        core = make_core(settings, database, live_keys, data_key, most_connections=most, shared=shared)
        server = Server(core, tracing)
        await server.start()
        background = asyncio.create_task(server.run_in_background())
        try:
            yield server
        finally:
            background.cancel()
            with suppress(asyncio.CancelledError):
                await background
            core.hasher.close()
            tracing.close()


async def _repeat(job: Job) -> None:
    """Do something again and again. What goes wrong once, a locked database say, is tried again the next time."""
    while True:
        await asyncio.sleep(job.every)
        try:
            await job.run()
        except (Unavailable, StartupError) as error:
            log.warning("a background step was put off", step=getattr(job.run, "__name__", ""), reason=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)
