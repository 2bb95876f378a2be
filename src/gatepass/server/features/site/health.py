"""For operators: `GET /health` (alive), `GET /ready` (can work) and `GET /metrics`."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Literal

import msgspec
import structlog
from starlette.responses import Response

from gatepass.server.base.errors import Refusal, StoreUnavailable
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE, METRICS
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Condition
    from gatepass.server.web.call import Call

log = structlog.get_logger("gatepass")

_SEEN_SECONDS = 1.0
"""How long a good state of the database is cached: the endpoint is public, and each check is a write."""
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class State(msgspec.Struct, frozen=True):
    """Always `ok`; an unhealthy process does not answer."""

    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to send requests here. Each check is `ok` or says what is wrong."""

    status: Literal["ok", "not_ready"]
    serving: Literal["ok", "starting", "draining"]
    database: Literal["ok", "full", "read_only", "unavailable"]
    migrations: Literal["ok", "pending", "unknown"]
    clock: Literal["ok", "off", "unknown"]
    keys: Literal["ok", "outdated"]


class HealthChecks:
    """Health, readiness and metrics of the process."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._replica = core.replica
        self._metrics = core.metrics
        self._metrics_token = core.settings.metrics_token
        self._machine = core.machine
        self._lifecycle = core.lifecycle
        self._looking: asyncio.Task[Condition | StoreUnavailable] | None = None
        self._seen: Condition | None = None
        self._seen_at = float("-inf")
        self._is_in_trouble = False

    def routes(self) -> tuple[Route, ...]:
        """The calls, which lie at the root whatever the issuer's path."""
        return (
            Route(
                method="GET",
                path="/health",
                handler=self.health,
                auth=ANYONE,
                summary="Whether the process is running",
                answers={200: State},
            ),
            Route(
                method="GET",
                path="/ready",
                handler=self.ready,
                auth=ANYONE,
                summary="Whether the server can work",
                answers={200: Readiness, 503: Readiness},
            ),
            Route(
                method="GET",
                path="/metrics",
                handler=self.metrics,
                auth=METRICS,
                summary="Metrics for Prometheus",
                answers={200: None},
            ),
        )

    async def health(self, _call: Call, _body: None) -> Response:
        """Answer."""
        return JsonResponse(State("ok"))

    async def ready(self, _call: Call, _body: None) -> Response:
        """Answer 200 if everything is ok, and otherwise 503 with the same body."""
        found = await self._look()
        return JsonResponse(found, 200 if found.status == "ok" else 503)

    async def check_metrics(self, request: Request, _body: None) -> None:
        """Allow this machine and callers with the token; for others the path does not exist.

        Raises:
            Refusal: `not_found`.
        """
        if not (self._machine.sent(request) or self._has_token(request)):
            raise Refusal("not_found", "")

    async def metrics(self, _call: Call, _body: None) -> Response:
        """Answer with the metrics."""
        return Response(self._metrics.text(), media_type=_METRICS_TYPE, headers={"cache-control": "no-store"})

    async def _look(self) -> Readiness:
        seen = await self._condition()
        condition = None if isinstance(seen, StoreUnavailable) else seen
        database: Literal["ok", "full", "read_only", "unavailable"] = "ok"
        if isinstance(seen, StoreUnavailable):
            database = seen.cause
        migrations: Literal["ok", "pending", "unknown"] = "unknown"
        clock: Literal["ok", "off", "unknown"] = "unknown"
        if condition is not None:
            migrations = "ok" if condition.is_migrated else "pending"
            clock = "ok" if condition.is_clock_right else "off"
        keys: Literal["ok", "outdated"] = "ok" if self._replica.is_up_to_date() else "outdated"
        serving: Literal["ok", "starting", "draining"] = "ok" if self._lifecycle.is_listening else "starting"
        if self._lifecycle.is_draining:
            serving = "draining"
        is_well = {serving, database, migrations, clock, keys} == {"ok"}
        return Readiness(
            status="ok" if is_well else "not_ready",
            serving=serving,
            database=database,
            migrations=migrations,
            clock=clock,
            keys=keys,
        )

    async def _condition(self) -> Condition | StoreUnavailable:
        """The database's state: cached for a second if it was good, otherwise from one check shared by all requests."""
        if self._seen is not None and asyncio.get_running_loop().time() - self._seen_at < _SEEN_SECONDS:
            return self._seen
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_at_database())
        return await asyncio.shield(self._looking)

    async def _look_at_database(self) -> Condition | StoreUnavailable:
        """Write to it; log a failure if it is new."""
        try:
            self._seen = await self._database.condition()
        except StoreUnavailable as error:
            self._seen = None
            if not self._is_in_trouble:
                log.warning("not ready: the database cannot be written to", reason=error.private)
            self._is_in_trouble = True
            return error
        else:
            self._seen_at = asyncio.get_running_loop().time()
            self._is_in_trouble = False
            return self._seen
        finally:
            self._looking = None

    def _has_token(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").encode("utf-8", "surrogateescape")
        return bool(self._metrics_token) and hmac.compare_digest(given, f"Bearer {self._metrics_token}".encode())
