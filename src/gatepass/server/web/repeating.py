"""Answering an operator's repeated POST with what the first was answered (`domain.limits.idempotency`)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from gatepass.server.base.errors import GatepassError, StoreUnavailable
from gatepass.server.domain.limits.idempotency import begin, repeatable
from gatepass.server.domain.ports import decide
from gatepass.server.web.auth.requirements import OPERATOR_IMPERSONATE, OPERATOR_WRITE
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.limits.idempotency import Repeatable
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Handler, Route

PROBLEMS = ("invalid_idempotency_key", "idempotency_key_reused", "idempotent_request_running")
_NAME = b"idempotency-key"
_REPEATED = (b"idempotent-replayed", b"true")


def with_repeats(route: Route, database: Database, data_key: DataKey) -> Route:
    """Let an operator's POST be repeated safely; other methods are by themselves."""
    if route.method != "POST" or route.auth not in (OPERATOR_WRITE, OPERATOR_IMPERSONATE):
        return route
    handler = _once(_Answers(database, data_key), route)
    return replace(route, handler=handler, problems=(*route.problems, *PROBLEMS), takes_idempotency_key=True)


class _Answers:
    """The answers of the last day."""

    def __init__(self, database: Database, data_key: DataKey) -> None:
        self._database = database
        self._data_key = data_key

    async def earlier(self, request: Repeatable) -> Response | None:
        """What the first request with this key was answered; None for the first."""
        earlier = await decide(self._database, lambda tx: begin(tx, request))
        if earlier is None:
            return None
        answer = self._data_key.unseal(earlier.sealed, request.id.hex())
        response = Response(answer, earlier.status, media_type="application/json" if answer else None)
        response.raw_headers.extend(((b"cache-control", b"no-store"), _REPEATED))
        return response

    async def keep(self, request: Repeatable, response: Response, shown_once: tuple[str, ...]) -> None:
        """Seal the answer, since it is about people, without what is shown once."""
        answer = bytes(response.body)
        if shown_once:
            members: dict[str, Any] = msgspec.json.decode(answer)
            answer = msgspec.json.encode({name: value for name, value in members.items() if name not in shown_once})
        sealed = self._data_key.seal(answer, request.id.hex())

        async def unit(tx: Transaction) -> None:
            await tx.idempotent_requests.finish(request.id, status=response.status_code, sealed=sealed)

        await self._database.transaction(unit)

    async def forget(self, request: Repeatable) -> None:
        """Forget a request that changed nothing."""
        with suppress(StoreUnavailable):
            await self._database.transaction(lambda tx: tx.idempotent_requests.forget(request.id))


def _once(answers: _Answers, route: Route) -> Handler:
    async def handle(call: Call, body: Any) -> Response:  # noqa: ANN401 - what the route names
        key = header(call.request, _NAME)
        if key is None:
            return await route.handler(call, body)
        request = repeatable(
            actor=call.operator.id,
            call=f"{call.request.method} {call.request.scope['path']}",
            key=key,
            body=b"" if body is None else msgspec.json.encode(body),
        )
        if (again := await answers.earlier(request)) is not None:
            return again
        try:
            response = await route.handler(call, body)
        except StoreUnavailable:  # perhaps at the commit, and then what was asked has been done
            raise
        except GatepassError:
            await answers.forget(request)
            raise
        await answers.keep(request, response, route.shown_once)
        return response

    return handle
