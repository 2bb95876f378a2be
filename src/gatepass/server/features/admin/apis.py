"""What an operator does to APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.api import check_api
from gatepass.server.domain.sessions.revoke import move_grants

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.api import Api


class ApiAdmin:
    """The operator's calls."""

    def __init__(self, database: Database, lists: ListKeys) -> None:
        self._database = database
        self._lists = lists

    async def add(self, api: Api) -> Api:
        """Keep an API, or change the one of the same audience; what was taken from it is taken from live tokens.

        Raises:
            Refusal: as `check_api`.
        """
        check_api(api)

        async def unit(tx: Transaction) -> Api:
            before = await _find(tx, api.audience)
            kept = msgspec.structs.replace(api, created_at=before.created_at if before else tx.now)
            await tx.apis.put(kept)
            if before is not None and _opens_less(before, kept):
                await self._take_from_self_registered(tx)
            return kept

        return await self._database.transaction(unit)

    async def all(self) -> list[Api]:
        """Every API, by audience."""

        async def unit(tx: Transaction) -> list[Api]:
            return await tx.apis.all()

        return await self._database.read(unit)

    async def show(self, audience: str) -> Api:
        """One API.

        Raises:
            Refusal: `api_not_found`.
        """

        async def unit(tx: Transaction) -> Api | None:
            return await _find(tx, audience)

        api = await self._database.read(unit)
        if api is None:
            raise _not_found()
        return api

    async def remove(self, audience: str) -> None:
        """Remove an API; tokens that clients could ask for because it was open to anyone are dead.

        Raises:
            Refusal: `api_not_found`.
        """

        async def unit(tx: Transaction) -> Refusal | None:
            if not await tx.apis.remove(audience):
                return _not_found()
            await self._take_from_self_registered(tx)
            return None

        await decide(self._database, unit)

    async def _take_from_self_registered(self, tx: Transaction) -> None:
        """Kill the tokens of clients that registered themselves, and keep their grants: they may say too much."""
        for client in await tx.clients.all():
            if client.is_self_registered:
                await move_grants(tx, await tx.grants.live_of_client(client.id, tx.now), self._lists)


def _opens_less(before: Api, after: Api) -> bool:
    """Whether clients that registered themselves could ask for more before."""
    return before.is_public and not (after.is_public and set(before.scope) <= set(after.scope))


async def _find(tx: Transaction, audience: str) -> Api | None:
    return next((api for api in await tx.apis.all() if api.audience == audience), None)


def _not_found() -> Refusal:
    return Refusal("api_not_found", "There is no such API.")
