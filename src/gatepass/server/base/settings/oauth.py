"""The authorization server, for applications that sign people in."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.settings.monitoring import MonitoringSection


class OAuthSection(MonitoringSection, frozen=True, kw_only=True):
    """What authorization requests have to be like."""

    require_pushed_authorization_requests: Annotated[
        bool, Meta(description="Whether every client has to push its authorization requests to /oauth/par (RFC 9126).")
    ] = False
    request_uri_seconds: Annotated[
        int, Meta(ge=60, le=300, description="How long a pushed authorization request may be opened, in seconds.")
    ] = 90
