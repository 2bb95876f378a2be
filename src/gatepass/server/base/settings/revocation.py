"""How revocations are published."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.settings.sessions import SessionSection


class RevocationSection(SessionSection, frozen=True, kw_only=True):
    """Status lists, and the stream of revocations."""

    status_list_seconds: Annotated[
        int, Meta(ge=2, description="How long a copy of a status list is fresh, its `ttl`, in seconds.")
    ] = 30
    max_streams: Annotated[
        int,
        Meta(
            ge=1,
            description="Maximum readers of a server process's revocation stream, and never more than half of the connections.",
        ),
    ] = 4_096
    reserved_streams: Annotated[
        int,
        Meta(
            ge=0,
            description="How many of these, up to half, are reserved for readers that authenticate as a registered client.",
        ),
    ] = 1_024
    streams_per_address: Annotated[
        int,
        Meta(ge=1, description="Maximum streams to one address (or IPv6 /64) for readers that do not authenticate."),
    ] = 1_024
    stream_seconds: Annotated[
        int,
        Meta(ge=1, description="A stream ends after this long or up to a quarter less, in seconds; readers reconnect."),
    ] = 3_600
