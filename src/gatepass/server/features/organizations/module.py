"""Organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.organizations import (
    console,
    domains_api,
    member_pages,
    members_api,
    operators_api,
    own_api,
    own_pages,
)
from gatepass.server.features.organizations.domains import check_due
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.organization import OrganizationAuth
from gatepass.server.web.auth.requirements import ORGANIZATION_READ, ORGANIZATION_WRITE

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_FACES = (own_api, own_pages, members_api, member_pages, operators_api, domains_api)
_CHECK_SECONDS = 3_600.0
"""How often to look which domains were not checked for a day."""


def module(core: Core) -> Module:
    """Organizations: their members, and how these join and leave."""
    admins = OrganizationAuth(core.database, core.bearer_auth, core.recent_auth)

    async def forget(tx: Transaction) -> None:
        await tx.invitations.forget_before(tx.now)

    faces = (*_FACES, console) if core.settings.console else _FACES
    return Module(
        templates=__package__,
        routes=tuple(route for face in faces for route in face.routes(core)),
        proofs={ORGANIZATION_READ: admins.reader, ORGANIZATION_WRITE: admins.writer},
        expiry=(forget,),
        jobs=(Job(every=_CHECK_SECONDS, run=lambda: check_due(core.database, core.dns)),),
    )
