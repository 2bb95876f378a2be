"""What the operator sees: events, metrics, traces."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.section import Secret
from gatepass.server.base.settings.site import SiteSection
from gatepass.server.base.urls import host_of_url


class MonitoringSection(SiteSection, frozen=True, kw_only=True):
    """How long events are kept, who may read metrics, where traces go."""

    events_days: Annotated[int, Meta(ge=1, description="How long events are kept, in days.")] = 180
    metrics_token: Annotated[
        Secret,
        Meta(
            description="Bearer token for /metrics. Empty: only for this machine, and only if the issuer is on loopback."
        ),
    ] = ""
    traces: Annotated[
        str, Meta(description="OTLP endpoint for traces, such as http://localhost:4318/v1/traces. Empty: no traces.")
    ] = ""

    def check(self) -> None:
        """Check the endpoint for traces."""
        super().check()
        if self.traces and not host_of_url(self.traces):
            raise StartupError(
                "`traces` is not an http or https URL.", "Use a URL such as http://localhost:4318/v1/traces"
            )
