"""The user's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.account.apps import api as apps_api
from gatepass.server.features.account.apps import pages as apps_pages
from gatepass.server.features.account.connected import api as connected_api
from gatepass.server.features.account.connected import pages as connected_pages
from gatepass.server.features.account.credentials import api as credentials_api
from gatepass.server.features.account.credentials import pages as credentials_pages
from gatepass.server.features.account.overview import api as overview_api
from gatepass.server.features.account.overview import pages as overview_pages
from gatepass.server.features.account.profile import api as profile_api
from gatepass.server.features.account.profile import pages as profile_pages
from gatepass.server.features.account.reauthentication import api as reauthentication_api
from gatepass.server.features.account.reauthentication import pages as reauthentication_pages
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_DAY = 86_400.0

_FACES = (
    overview_api,
    overview_pages,
    profile_api,
    profile_pages,
    credentials_api,
    credentials_pages,
    connected_api,
    connected_pages,
    apps_api,
    apps_pages,
    reauthentication_api,
    reauthentication_pages,
)
"""Every subject has API calls and pages."""


def module(core: Core) -> Module:
    """The account's pages and calls, and the event log."""

    async def forget(tx: Transaction) -> None:
        await tx.events.forget_before(tx.now - core.settings.events_days * _DAY)

    return Module(
        templates=__package__,
        routes=tuple(route for face in _FACES for route in face.routes(core)),
        expiry=(forget,),
    )
