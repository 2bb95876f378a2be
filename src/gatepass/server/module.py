"""What a capability adds to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import structlog

from gatepass.server.base.errors import StartupError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.auth.gate import Authenticator
    from gatepass.server.web.auth.requirements import Auth
    from gatepass.server.web.metadata import Metadata
    from gatepass.server.web.metrics import Gauges
    from gatepass.server.web.routing import Route

log = structlog.get_logger("gatepass")

_PAUSE_SECONDS = 1.0
"""How long to wait after a step that failed."""

Step: TypeAlias = Callable[[], Awaitable[object]]
Expiry: TypeAlias = "Callable[[Transaction], Awaitable[object]]"
"""Removes, inside a transaction, what has expired at its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A periodic background job. If a run fails, the next one tries again.

    Attributes:
        every: Seconds between two times.
        run: What is done.
    """

    every: float
    run: Step

    async def repeat(self) -> None:
        """Run it periodically, until cancelled: also where a step lets the cancellation get lost, as libraries may."""
        task = asyncio.current_task()
        while task is None or not task.cancelling():
            await asyncio.sleep(self.every)
            try:
                await self.run()
            except (Unavailable, StartupError) as error:
                step = getattr(self.run, "__name__", "")
                log.warning("a background step was put off", step=step, reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A capability.

    Attributes:
        routes: Its calls and pages, under the issuer's path.
        at_root: Calls at the root whatever the issuer's path: load balancers and Prometheus look there.
        proofs: What proves the caller where a route asks for something that is this module's own.
        jobs: What it does in the background.
        expiry: What it lets the store forget, once a minute.
        catch_up: Takes over what other processes have changed in the store; in the order of the modules.
        start: Run before the server answers requests.
        warm_up: Done in a thread, once those who waited for the start have been answered.
        drain: Ends what never ends by itself, when the server is about to stop.
        gauges: What it has to say in the metrics.
        metadata: What the issuer's metadata says of it.
        templates: The package whose folder `templates` has those of its pages.
    """

    routes: tuple[Route, ...] = ()
    at_root: tuple[Route, ...] = ()
    proofs: Mapping[Auth, Authenticator] = field(default_factory=dict[object, object])  # type: ignore[arg-type]
    jobs: tuple[Job, ...] = ()
    expiry: tuple[Expiry, ...] = ()
    catch_up: Step | None = None
    start: Step | None = None
    warm_up: Callable[[], None] | None = None
    drain: Callable[[], None] | None = None
    gauges: Callable[[], Gauges] | None = None
    metadata: Metadata = field(default_factory=dict[str, object])
    templates: str | None = None
