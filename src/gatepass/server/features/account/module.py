"""A person's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.account.connected import Connected
from gatepass.server.features.account.credentials import CredentialChanges
from gatepass.server.features.account.overview import Overview
from gatepass.server.features.account.profile import ProfileChanges
from gatepass.server.features.account.reauthentication import Reauthentication
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_DAY = 86_400.0


def module(core: Core) -> Module:
    """What a person sees of their account, and changes about it; and the log of events."""

    async def forget(tx: Transaction) -> None:
        await tx.events.forget_before(tx.now - core.settings.events_days * _DAY)

    flows = (Overview(core), ProfileChanges(core), CredentialChanges(core), Connected(core), Reauthentication(core))
    return Module(
        templates=__package__, routes=tuple(route for flow in flows for route in flow.routes()), expiry=(forget,)
    )
