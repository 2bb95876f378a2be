"""Pushed authorization requests (RFC 9126): the client sends the request itself, and the browser only its name."""

from __future__ import annotations

import secrets
from typing import Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest  # noqa: TC001 - msgspec reads it

URN = "urn:ietf:params:oauth:request_uri:"
MOST_OF_A_NETWORK = 100
"""Requests that wait at once, of one network, of a client in whose name anyone can push."""
MOST_OF_A_CLIENT = 10_000
"""The same of all networks."""
_BYTES = 32


class PushedRequest(Confidential, frozen=True, kw_only=True):
    """A request that was checked when it was pushed; it can be opened until `expires_at`, in seconds since 1970.

    `asked_from` is the network that it came from; empty where that is unknown.
    """

    digest: bytes
    client_id: str
    request: AuthorizationRequest
    expires_at: float
    asked_from: str = ""


class PushedRequests(Protocol):
    """Where pushed requests are kept, as digests of their URIs."""

    async def add(self, pushed: PushedRequest) -> None:
        """Keep a new one."""
        ...

    async def by_digest(self, digest: bytes) -> PushedRequest | None:
        """The request, as long as it was not answered."""
        ...

    async def use(self, digest: bytes) -> bool:
        """Use it up: it is answered; False when it was before. One statement says which."""
        ...

    async def count_of(self, client_id: str, network: str, now: float) -> tuple[int, int]:
        """How many of a client can still be opened, and how many of these came from a network."""
        ...

    async def forget_before(self, expired_at: float) -> None:
        """Drop those that expired before."""
        ...

    async def remove_all_of_client(self, client_id: str) -> None:
        """Drop a client's."""
        ...


def new_request_uri() -> str:
    """Make a name of 256 random bits (RFC 9126 §2.2)."""
    return URN + secrets.token_urlsafe(_BYTES)
