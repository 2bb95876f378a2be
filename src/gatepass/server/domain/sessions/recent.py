"""Step-up: what changes who owns an account needs a sign-in that is fresh (RFC 9470)."""

from __future__ import annotations

from gatepass.server.base.errors import Refusal


def check_recent(auth_time: float, *, now: float, seconds: float) -> None:
    """Refuse when the sign-in at `auth_time` is older than that.

    Raises:
        Refusal: `recent_sign_in_required`.
    """
    if auth_time + seconds < now:
        raise Refusal("recent_sign_in_required", f"This needs a sign-in of the last {int(seconds)} seconds.")
