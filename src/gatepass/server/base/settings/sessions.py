"""How long a sign-in counts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.settings.section import DAY
from gatepass.server.base.settings.tokens import TokenSection


class SessionSection(TokenSection, frozen=True, kw_only=True):
    """The life of a session, of a recent sign-in, and of a trusted device."""

    session_idle_seconds: Annotated[
        int, Meta(ge=1, description="A session ends after this long without a refresh, in seconds.")
    ] = 14 * DAY
    session_max_seconds: Annotated[
        int, Meta(ge=1, description="A session ends this long after its sign-in, in seconds.")
    ] = 90 * DAY
    recent_sign_in_seconds: Annotated[
        int,
        Meta(
            ge=60,
            description="How recent a sign-in must be to change the email address or password, or delete the account, in seconds.",
        ),
    ] = 600
    remember_device_days: Annotated[
        int,
        Meta(
            ge=0,
            le=365,
            description="How long a trusted device is not asked for the second factor, in days; 0: always ask.",
        ),
    ] = 30
