"""The refusal of a link that does not work."""

from __future__ import annotations

from gatepass.server.base.errors import Refusal


def invalid_code() -> Refusal:
    """The same for every reason, because the reason would reveal information about accounts."""
    return Refusal("invalid_code", "The link or code is wrong, has expired or was already used.")
