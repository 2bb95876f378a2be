"""Assembling what modules add: routes, proofs, documents, jobs, and what runs at start and shutdown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from gatepass.server.module import Job
from gatepass.server.web.auth.gate import Gate
from gatepass.server.web.cors import Cors
from gatepass.server.web.dispatcher import Application
from gatepass.server.web.docs_page import GROUPS, render_docs
from gatepass.server.web.documents import DeferredDocument
from gatepass.server.web.headers import PAGE_POLICY
from gatepass.server.web.metadata import METADATA_PATHS, joined, paths_of
from gatepass.server.web.openapi import describe
from gatepass.server.web.repeating import with_repeats
from gatepass.server.web.routing import RouteTable

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.module import Module
    from gatepass.server.web.documents import PublicDocument
    from gatepass.server.web.tracing import Tracing

_EXPIRY_SECONDS = 60.0
_WARM_UP_SECONDS = 2.0


class Server:
    """What one process serves: the modules over their core."""

    def __init__(self, core: Core, modules: tuple[Module, ...], tracing: Tracing) -> None:
        self.core = core
        self._tracing = tracing
        self._modules = modules
        base = urlsplit(core.settings.issuer_url).path
        repeats = partial(with_repeats, database=core.database, data_key=core.data_key)
        under_issuer = (
            repeats(replace(route, path=base + route.path)) for module in self._modules for route in module.routes
        )
        self.routes = (*under_issuer, *(route for module in self._modules for route in module.at_root))
        for module in self._modules:
            if module.catch_up is not None:
                core.replica.add_step(module.catch_up)
            if module.templates:
                core.pages.add_templates(module.templates)
            if module.gauges is not None:
                core.metrics.add_gauges(module.gauges)
        self._publish_descriptions()
        self._publish_metadata()

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
        """Run what comes before the first answer."""
        for module in self._modules:
            if module.start is not None:
                await module.start()

    async def run_in_background(self) -> None:
        """Run the background jobs, until cancelled."""
        jobs = (
            Job(every=0, run=self.core.replica.follow),
            Job(every=_EXPIRY_SECONDS, run=self._forget_expired),
            *(job for module in self._modules for job in module.jobs),
        )
        async with asyncio.TaskGroup() as tasks:
            for job in jobs:
                tasks.create_task(job.repeat())
            tasks.create_task(self._warm_up())

    def drain(self) -> None:
        """End long-lived responses, because the server is about to stop."""
        for module in self._modules:
            if module.drain is not None:
                module.drain()

    async def _forget_expired(self) -> None:
        """Remove expired rows of every module in one transaction."""

        async def unit(tx: Transaction) -> None:
            for module in self._modules:
                for forget in module.expiry:
                    await forget(tx)

        await self.core.database.transaction(unit, shared=True)

    async def _warm_up(self) -> None:
        """Warm up pages, after the first waiting requests were answered."""
        await asyncio.sleep(_WARM_UP_SECONDS)
        for module in self._modules:
            if module.warm_up is not None:
                await asyncio.to_thread(module.warm_up)

    def _publish_metadata(self) -> None:
        """Publish what the issuer is and does: the same octets wherever clients look."""
        documents, issuer = self.core.documents, self.core.settings.issuer_url
        members = joined(({"issuer": issuer}, *(module.metadata for module in self._modules)))
        metadata = documents.make(msgspec.json.encode(members))
        for well_known in METADATA_PATHS:
            for path in paths_of(well_known, issuer):
                documents.publish_at_root(path, metadata)

    def _publish_descriptions(self) -> None:
        """Publish the OpenAPI document of all modules, and the page that shows it."""
        self.core.documents.publish("/openapi.json", DeferredDocument(self._openapi))
        for path in ("/docs", *(f"/docs/{group.slug}" for group in GROUPS)):
            self.core.documents.publish(path, DeferredDocument(partial(self._docs, path)))

    def _openapi(self) -> PublicDocument:
        described = describe(self.routes, issuer=self.core.settings.issuer_url, version=version("gatepass"))
        return self.core.documents.make(msgspec.json.encode(described))

    def _docs(self, path: str) -> PublicDocument:
        pages = render_docs(self.routes, self.core.settings.issuer_url)
        return self.core.documents.make(pages[path], "text/html; charset=utf-8", PAGE_POLICY)
