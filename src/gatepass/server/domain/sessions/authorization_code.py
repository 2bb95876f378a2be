"""Authorization codes (RFC 6749 §4.1.2): each is good once, for a minute, for the client that it was given to."""

from __future__ import annotations

import secrets
from typing import Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest  # noqa: TC001 - msgspec reads it

CODE_SECONDS = 60
KEPT_SECONDS = 3_600
"""How long a code is kept to see that somebody uses it again."""
RELOAD_SECONDS = 5
"""Within which the same client, with the right verifier, is taken for a browser that has loaded its page again."""
_CODE_BYTES = 32


class AuthorizationCode(Confidential, frozen=True, kw_only=True):
    """A code. Times in seconds since 1970.

    `grant_id` is that of the grant that it will make, so that a second use can end it. `request` is what was asked,
    with the scopes that the person agreed to.
    """

    digest: bytes
    client_id: str
    user_id: str
    session_id: str
    grant_id: str
    request: AuthorizationRequest
    expires_at: float
    used_at: float | None = None


class AuthorizationCodes(Protocol):
    """Where codes are kept, as digests."""

    async def add(self, code: AuthorizationCode) -> None:
        """Keep a new code."""
        ...

    async def by_digest(self, digest: bytes) -> AuthorizationCode | None:
        """The code, used or not."""
        ...

    async def use(self, digest: bytes, now: float) -> bool:
        """Use it up; False when it was used before. One statement says which."""
        ...

    async def forget_before(self, expired_at: float) -> None:
        """Drop those that expired before."""
        ...

    async def remove_unused_of_client(self, client_id: str) -> None:
        """Drop what a client has not redeemed."""
        ...

    async def remove_unused_of(self, user_id: str, client_id: str) -> None:
        """Forget the codes of a person at one client that have not been used."""
        ...

    async def remove_all_of(self, user_id: str) -> None:
        """Drop a person's."""
        ...


def new_code() -> str:
    """Make a code of 256 random bits."""
    return secrets.token_urlsafe(_CODE_BYTES)
