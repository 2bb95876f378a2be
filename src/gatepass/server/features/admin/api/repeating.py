"""Answering a repeated POST under `/admin` with what the first was answered (`domain.limits.idempotency`)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from gatepass.server.base.errors import GatepassError, StoreUnavailable
from gatepass.server.domain.limits.idempotency import begin, repeatable
from gatepass.server.domain.ports import decide
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.limits.idempotency import Earlier, Repeatable
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Handler, Route

PROBLEMS = ("invalid_idempotency_key", "idempotency_key_reused", "idempotent_request_running")
_NAME = b"idempotency-key"
_REPEATED = (b"idempotent-replayed", b"true")


def with_repeats(core: Core, route: Route) -> Route:
    """Let a POST be repeated safely; other methods are by themselves."""
    if route.method != "POST" or route.page:
        return route
    handler = _once(core, route.handler, frozenset(route.shown_once))
    return replace(route, handler=handler, problems=(*route.problems, *PROBLEMS), takes_idempotency_key=True)


def _once(core: Core, handler: Handler, shown_once: frozenset[str]) -> Handler:
    async def handle(call: Call, body: Any) -> Response:  # noqa: ANN401 - what the route names
        key = header(call.request, _NAME)
        if key is None:
            return await handler(call, body)
        request = repeatable(
            actor=call.operator.id,
            call=f"{call.request.method} {call.request.scope['path']}",
            key=key,
            body=b"" if body is None else msgspec.json.encode(body),
        )
        earlier = await decide(core.database, lambda tx: begin(tx, request))
        if earlier is not None:
            return _again(core, request, earlier)
        try:
            response = await handler(call, body)
        except GatepassError:  # nothing was changed
            with suppress(StoreUnavailable):
                await core.database.transaction(lambda tx: tx.idempotent_requests.forget(request.id))
            raise
        await _keep(core, request, response, shown_once)
        return response

    return handle


def _again(core: Core, request: Repeatable, earlier: Earlier) -> Response:
    answer = core.data_key.unseal(earlier.sealed, request.id.hex())
    response = Response(answer, earlier.status, media_type="application/json" if answer else None)
    response.raw_headers.extend(((b"cache-control", b"no-store"), _REPEATED))
    return response


async def _keep(core: Core, request: Repeatable, response: Response, shown_once: frozenset[str]) -> None:
    """Seal the answer, since it is about people, without what is shown once."""
    answer = bytes(response.body)
    if shown_once:
        members: dict[str, Any] = msgspec.json.decode(answer)
        answer = msgspec.json.encode({name: value for name, value in members.items() if name not in shown_once})
    sealed = core.data_key.seal(answer, request.id.hex())

    async def unit(tx: Transaction) -> None:
        await tx.idempotent_requests.finish(request.id, status=response.status_code, sealed=sealed)

    await core.database.transaction(unit)
