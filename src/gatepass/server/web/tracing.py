"""Traces by OpenTelemetry, when a place to send them to is set; nothing of it is loaded otherwise."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.requests import Request


class Tracing(Protocol):
    """Follows requests."""

    def request(self, request: Request) -> AbstractContextManager[object]:
        """Follow one, as a part of what its `traceparent` names (W3C Trace Context)."""
        ...

    def answered(self, path: str, status: int, outcome: str) -> None:
        """Say of the one that is followed how it ended. Neither its query nor a token is ever told."""
        ...

    def close(self) -> None:
        """Send what has not been sent."""
        ...


_NOTHING = nullcontext()


class NoTracing:
    """Follows nothing."""

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
