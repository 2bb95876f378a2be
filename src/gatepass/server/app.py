"""The application: every module over one core. A new capability is a name in `MODULES`."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from gatepass.server.core import make_core
from gatepass.server.domain.credentials.passwords.hashing import keep_large_blocks
from gatepass.server.domain.events.settings_watch import note_settings
from gatepass.server.domain.hooks.asking import AskingDatabase, HookFailures
from gatepass.server.domain.keys.rotation import pace_of, provide_keys
from gatepass.server.features.account.module import module as account
from gatepass.server.features.admin.module import module as admin
from gatepass.server.features.browser_client.module import module as browser_client
from gatepass.server.features.keys.module import module as keys
from gatepass.server.features.login.module import module as login
from gatepass.server.features.mail.module import module as mail
from gatepass.server.features.oauth.module import module as oauth
from gatepass.server.features.organizations.module import module as organizations
from gatepass.server.features.plugins.module import module as plugins
from gatepass.server.features.recovery.module import module as recovery
from gatepass.server.features.revocation_feed.module import module as revocation_feed
from gatepass.server.features.session.module import module as session
from gatepass.server.features.shared_signals.module import module as shared_signals
from gatepass.server.features.signup.module import module as signup
from gatepass.server.features.site.module import module as site
from gatepass.server.features.webhooks.module import module as webhooks
from gatepass.server.hooks.over_http import HttpHooks
from gatepass.server.hooks.plugins import load_plugins
from gatepass.server.server import Server
from gatepass.server.store.opening import open_store
from gatepass.server.web.tracing import tracing_to

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.signer import OutsideKey

# Signing keys come before what they sign, because changes of the store are applied in this order.
MODULES = (
    keys,
    signup,
    login,
    recovery,
    session,
    account,
    organizations,
    admin,
    mail,
    webhooks,
    shared_signals,
    plugins,
    oauth,
    revocation_feed,
    browser_client,
    site,
)


@asynccontextmanager
async def open_server(
    settings: Settings,
    clock: Clock | None = None,
    *,
    outside_keys: Sequence[OutsideKey] = (),
    most_connections: int | None = None,
    shared: Path | None = None,
) -> AsyncGenerator[Server]:
    """Open the store and the keys, created at the first start, and close them at the end.

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
    found = load_plugins()
    held_elsewhere = [*outside_keys, *[key for plugin in found for key in await plugin.read_signing_keys()]]
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
        failures, http = HookFailures(database), HttpHooks(settings, database.clock)
        deciders = [decider for plugin in found for decider in plugin.deciders]
        most = most_connections or settings.max_connections
        core = make_core(
            settings,
            AskingDatabase(database, [*deciders, *http.deciders], failures),
            live_keys,
            data_key,
            most_connections=most,
            shared=shared,
            failures=failures,
            listeners=[each.listener for each in found if each.listener is not None],
            extra_claims=[*[each.claims for each in found if each.claims is not None], *http.claims],
        )
        server = Server(core, tuple(module(core) for module in MODULES), tracing)
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
