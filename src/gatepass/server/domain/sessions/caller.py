"""The user who makes a request."""

from __future__ import annotations

import msgspec

from gatepass.server.domain.accounts.user import User  # noqa: TC001 - as above
from gatepass.server.domain.revocation.status_index import StatusIndex  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.sessions.grant import ActiveOrganization  # noqa: TC001 - as above


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The user who makes a request, and its session.

    `status` is the status index of their access token; None at a page, where a cookie authenticates. `sid` is
    the name by which clients know the session; empty at a call, which has no use for it. `client_id` is the client that
    calls; empty at a page.
    """

    user: User
    session_id: str
    auth_time: float
    acr: str
    status: StatusIndex | None = None
    sid: str = ""
    client_id: str = ""


class OpenIdCaller(msgspec.Struct, frozen=True, kw_only=True):
    """The person about whom a client asks, and what it may be told.

    Attributes:
        user: The person.
        sub: Who they are to this client.
        client_id: The client.
        scope: What its access token allows.
        claims: What it asked for one by one when they signed in, as JSON; empty where nothing was.
        organization: The organization that its tokens are for, if any.
    """

    user: User
    sub: str
    client_id: str
    scope: tuple[str, ...]
    claims: str
    organization: ActiveOrganization | None = None
