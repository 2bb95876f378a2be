"""What an operator does to APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.api import (  # noqa: TC001 - msgspec reads the annotations of a struct
    Api,
    ApiScope,
    check_api,
)
from gatepass.server.domain.sessions.operator import COMMAND_LINE
from gatepass.server.domain.sessions.revoke import move_grants

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.operator import Operator


class ApiChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an API (RFC 7396): what is left out stays."""

    name: str | UnsetType = UNSET
    scopes: tuple[ApiScope, ...] | UnsetType = UNSET
    public: bool | UnsetType = UNSET

    def applied_to(self, api: Api) -> Api:
        """The API with what is named."""
        named = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        if "public" in named:
            named["is_public"] = named.pop("public")
        return msgspec.structs.replace(api, **named)


class ApiAdmin:
    """Operations on APIs; each is an event. A missing API is refused as `api_not_found`.

    Args:
        database: The store.
        lists: The keys of status lists.
        by: Who administers.
        where: Where the request came from.
    """

    def __init__(
        self, database: Database, lists: ListKeys, *, by: Operator = COMMAND_LINE, where: Origin = NOWHERE
    ) -> None:
        self._database = database
        self._lists = lists
        self._by = by
        self._where = where

    async def add(self, api: Api) -> Api:
        """Keep an API, or change the one of the same audience; what was taken from it is taken from live tokens.

        Raises:
            Refusal: as `check_api`.
        """
        check_api(api)

        async def unit(tx: Transaction) -> Api:
            before = await _find(tx, api.audience)
            kept = msgspec.structs.replace(api, created_at=before.created_at if before else tx.now)
            await self._put(tx, before, kept)
            return kept

        return await self._database.transaction(unit)

    async def change(self, audience: str, changes: ApiChanges) -> Api:
        """Change what is named.

        Raises:
            Refusal: `api_not_found`, or as `check_api`.
        """

        async def unit(tx: Transaction) -> Api | Refusal:
            before = await _find(tx, audience)
            if before is None:
                return _not_found()
            kept = changes.applied_to(before)
            try:
                check_api(kept)
            except Refusal as refused:
                return refused
            await self._put(tx, before, kept)
            return kept

        return await decide(self._database, unit)

    async def _put(self, tx: Transaction, before: Api | None, kept: Api) -> None:
        await tx.apis.put(kept)
        await self._record(tx, "api_added" if before is None else "api_changed", kept.audience)
        if before is not None and _opens_less(before, kept):
            await self._take_from_self_registered(tx)

    async def _record(self, tx: Transaction, kind: EventKind, audience: str) -> None:
        await record(tx, kind, actor=self._by.id, reason=audience, where=self._where)

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
            await self._record(tx, "api_removed", audience)
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
