"""The authorization server, for applications that sign people in."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.monitoring import MonitoringSection


class OAuthSection(MonitoringSection, frozen=True, kw_only=True):
    """What authorization requests have to be like."""

    require_pushed_authorization_requests: Annotated[
        bool, Meta(description="Whether every client has to push its authorization requests to /oauth/par (RFC 9126).")
    ] = False
    request_uri_seconds: Annotated[
        int, Meta(ge=60, le=300, description="How long a pushed authorization request may be opened, in seconds.")
    ] = 90
    fetch_private_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks (CIDR) that the server may ask for what clients name, their keys say, although they are not public."
        ),
    ] = ()

    def check(self) -> None:
        """Networks are networks."""
        super().check()
        for network in self.fetch_private_networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise StartupError(
                    f"{network} in `fetch_private_networks` is not a network: {error}.", "It looks like 10.0.0.0/8."
                ) from error
