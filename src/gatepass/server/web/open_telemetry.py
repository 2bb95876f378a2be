"""`gatepass.server.web.tracing.Tracing` by OpenTelemetry's SDK. Imported only where traces are wanted."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.requests import Request

_SERVER_ERROR = 500


class OpenTelemetry:
    """One span for each request, sent in batches by the SDK's thread."""

    def __init__(self, endpoint: str) -> None:
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "gatepass", "service.version": version("gatepass")})
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("gatepass")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, request: Request) -> Generator[object]:
        """Open a span of kind server."""
        parent = self._propagator.extract(dict(request.headers))
        with self._tracer.start_as_current_span(
            request.method,
            context=parent,
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": request.method},
        ) as span:
            yield span

    def answered(self, path: str, status: int, outcome: str) -> None:
        """Name the span by its route, as OpenTelemetry's conventions for HTTP do."""
        span = trace.get_current_span()
        span.update_name(f"{getattr(span, 'name', '')} {path}".strip())
        span.set_attributes({"http.route": path, "http.response.status_code": status, "gatepass.outcome": outcome})
        if status >= _SERVER_ERROR:
            span.set_status(trace.StatusCode.ERROR, outcome)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
