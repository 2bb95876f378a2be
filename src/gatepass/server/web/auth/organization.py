"""Who manages an organization: a member with the role `admin` there, by a first-party token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.manager import Manager
from gatepass.server.domain.sessions.client import FIRST_PARTY

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.server.web.auth.recent import RecentAuth


class OrganizationAuth:
    """Identifies the admins of the organization in a path. For which organization their token is does not matter."""

    def __init__(self, database: Database, bearer_auth: BearerAuth, recent_auth: RecentAuth) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._recent_auth = recent_auth

    async def reader(self, request: Request, _body: object = None) -> Caller:
        """Return an admin. Raises as `BearerAuth.identify` and `Manager.find`."""
        return await self._check(request, await self._bearer_auth.identify(request))

    async def writer(self, request: Request, _body: object = None) -> Caller:
        """Return an admin who has signed in lately. Raises as `RecentAuth.caller` and `Manager.find`."""
        return await self._check(request, await self._recent_auth.caller(request))

    async def _check(self, request: Request, caller: Caller) -> Caller:
        if caller.client_id != FIRST_PARTY:
            raise Refusal("insufficient_scope", "Other applications do not manage organizations.")

        async def unit(tx: Transaction) -> Organization | Refusal:
            return await Manager(id=caller.user.id).find(tx, request.path_params["id"])

        found = await self._database.read(unit)
        if isinstance(found, Refusal):
            raise found
        return caller
