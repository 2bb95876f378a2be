"""What operators do by HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.admin.api import (
    apis,
    clients,
    events,
    global_revocation,
    impersonation,
    keys,
    person,
    roles,
    users,
    webhooks,
)
from gatepass.server.features.admin.console import apis as console_apis
from gatepass.server.features.admin.console import pages as console
from gatepass.server.features.admin.console import person as console_person
from gatepass.server.features.admin.console import roles as console_roles
from gatepass.server.features.admin.console import webhooks as console_webhooks
from gatepass.server.module import Module
from gatepass.server.web.auth.operator import OperatorAuth
from gatepass.server.web.auth.requirements import OPERATOR_IMPERSONATE, OPERATOR_READ, OPERATOR_REVOKE, OPERATOR_WRITE

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_CALLS = (users, person, impersonation, roles, clients, apis, keys, webhooks, events, global_revocation)
_PAGES = (console, console_person, console_apis, console_roles, console_webhooks)


def module(core: Core) -> Module:
    """The operators' API."""
    operators = OperatorAuth(core.database, core.bearer_auth, core.revocation_check, issuer=core.settings.issuer_url)

    async def forget(tx: Transaction) -> None:
        await tx.idempotent_requests.forget_expired(tx.now)

    async def learn() -> None:
        await core.roles.look(core.database)

    faces = (*_CALLS, *_PAGES) if core.settings.console else _CALLS
    return Module(
        templates=__package__,
        routes=tuple(route for face in faces for route in face.routes(core)),
        expiry=(forget,),
        start=learn,
        catch_up=learn,
        proofs={
            OPERATOR_READ: operators.reader,
            OPERATOR_WRITE: operators.writer,
            OPERATOR_IMPERSONATE: operators.impersonator,
            OPERATOR_REVOKE: operators.revoker,
        },
    )
