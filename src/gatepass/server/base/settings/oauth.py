"""The authorization server, for applications that sign people in."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

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
    dpop_nonce: Annotated[
        bool,
        Meta(
            description="Whether DPoP proofs must repeat a nonce of the server (RFC 9449 §8), so that none can be made in advance."
        ),
    ] = False
    dynamic_registration: Annotated[
        Literal["off", "token", "open"],
        Meta(
            description="Whether clients may register themselves (RFC 7591): not at all, with a token of `gatepass client registration-token`, or all of them."
        ),
    ] = "off"
    client_id_metadata_documents: Annotated[
        Literal["off", "listed", "open"],
        Meta(
            description="Whether a client may be the URL of its metadata document: no, on the hosts that are listed, or anywhere."
        ),
    ] = "off"
    client_id_metadata_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Hosts whose metadata documents are taken: app.example.com say, each by name."),
    ] = ()
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
