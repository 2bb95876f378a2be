"""The person who makes a request."""

from __future__ import annotations

import msgspec

from gatepass.server.domain.accounts.user import User  # noqa: TC001 - as above
from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations of a struct


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The person who makes a request, and the session that they make it in.

    `status` is the place of their access token; None at a page, where a cookie speaks for them.
    """

    user: User
    session_id: str
    auth_time: float
    acr: str
    status: StatusIndex | None = None
