"""Limits on what callers may do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.settings.passwords import PasswordSection
from gatepass.server.base.settings.section import DAY


class LimitSection(PasswordSection, frozen=True, kw_only=True):
    """Failed sign-ins, requests and connections."""

    attempts_per_account: Annotated[
        int,
        Meta(ge=1, le=100, description="Failed sign-ins to one account before pauses begin; a success clears them."),
    ] = 10
    attempts_per_address: Annotated[
        int,
        Meta(
            ge=1,
            description="Failed sign-ins from one address (or IPv6 /64), and failed codes and tokens of one client, before pauses begin.",
        ),
    ] = 100
    attempt_pause_seconds: Annotated[
        int,
        Meta(
            ge=1, description="First pause after too many failed attempts, in seconds; each further failure doubles it."
        ),
    ] = 30
    attempt_longest_pause_seconds: Annotated[
        int, Meta(ge=1, description="Longest pause between attempts, in seconds.")
    ] = 900
    account_window_seconds: Annotated[
        int, Meta(ge=1, description="How long failures at an account count from the first one on, in seconds.")
    ] = DAY
    address_window_seconds: Annotated[
        int, Meta(ge=1, description="How long failures from an address count from the first one on, in seconds.")
    ] = 3_600
    login_queue_length: Annotated[
        int, Meta(ge=1, description="Sign-ins that may wait for a core; more are answered 503 with Retry-After.")
    ] = 64
    max_body_bytes: Annotated[int, Meta(ge=1_024, description="Largest request body, in bytes.")] = 65_536
    request_seconds: Annotated[
        int,
        Meta(ge=1, description="Time limit for a request's headers to arrive, and again for its body, in seconds."),
    ] = 10
    max_connections: Annotated[
        int,
        Meta(
            ge=16,
            description="Maximum connections of a server process, within its limit of open files; requests on more are answered 503.",
        ),
    ] = 8_192
