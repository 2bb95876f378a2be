"""Plugins: each that wants to be is told of events, by a job of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.feed import FEED_KEPT_SECONDS
from gatepass.server.features.plugins.telling import PluginTelling
from gatepass.server.module import Job, Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_TELL_SECONDS = 0.25
"""How often to check whether a plugin is to be told something; a check takes some microseconds."""


def module(core: Core) -> Module:
    """The feed of events."""
    tellings = [PluginTelling(core.database, listener) for listener in core.listeners]

    async def register() -> None:
        for telling in tellings:
            await telling.register()

    async def keep(tx: Transaction) -> None:
        for listener in core.listeners:  # they are still here, also when nothing happens
            await tx.event_feed.register(listener.name, tx.now)
        await tx.event_feed.forget_before(tx.now - FEED_KEPT_SECONDS)

    return Module(
        start=register,
        jobs=tuple(Job(every=_TELL_SECONDS, run=telling.tell_due) for telling in tellings),
        expiry=(keep,),
    )
