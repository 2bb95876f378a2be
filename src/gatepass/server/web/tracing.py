"""OpenTelemetry traces, if an endpoint is configured; otherwise nothing of it is loaded."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.requests import Request


class Tracing(Protocol):
    """Traces requests."""

    def request(self, request: Request) -> AbstractContextManager[object]:
        """Trace a request, as a child of its `traceparent` (W3C Trace Context)."""
        ...

    def answered(self, path: str, status: int, outcome: str) -> None:
        """Record the outcome of the traced request. Never records its query or a token."""
        ...

    def close(self) -> None:
        """Flush."""
        ...


_NOTHING = nullcontext()


class NoTracing:
    """Traces nothing."""

    def request(self, request: Request) -> AbstractContextManager[object]:  # noqa: ARG002 - nothing is followed
        """Do nothing."""
        return _NOTHING

    def answered(self, path: str, status: int, outcome: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def tracing_to(endpoint: str) -> Tracing:
    """Trace to an OTLP endpoint, such as http://localhost:4318/v1/traces; empty: not at all.

    Raises:
        StartupError: when OpenTelemetry is not installed.
    """
    if not endpoint:
        return NoTracing()
    try:
        from gatepass.server.web.open_telemetry import OpenTelemetry  # noqa: PLC0415 - only where it is wanted
    except ImportError as error:
        raise StartupError(
            "Traces require the OpenTelemetry SDK, which is not installed.", 'pip install "gatepass[server,traces]"'
        ) from error
    return OpenTelemetry(endpoint)
