"""OAuth clients. So far the one that is built in: the operator's own applications, which sign people in by `/login`."""

from __future__ import annotations

from gatepass.server.errors import Refusal

FIRST_PARTY = "first-party"
"""The built-in client's identifier, reserved. User identifiers begin with `usr_`, so it can never pass for one."""


def check_client(client_id: str | None) -> str:
    """Return the client that a login is for: the built-in one, also when none is named.

    Raises:
        Refusal: `unknown_client`.
    """
    if client_id not in (None, FIRST_PARTY):
        raise Refusal("unknown_client", "There is no such client.")
    return FIRST_PARTY
