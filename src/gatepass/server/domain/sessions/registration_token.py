"""Tokens for clients that register themselves: the one that lets one in (RFC 7591 §3), and its own (RFC 7592 §3)."""

from __future__ import annotations

import secrets
from typing import Protocol

from gatepass.server.base.confidential import Confidential

_INITIAL_PREFIX = "gpi_"
_OWN_PREFIX = "gpr_"
"""Recognizable prefixes, which secret scanners look for."""
_BYTES = 32


class RegistrationToken(Confidential, frozen=True, kw_only=True):
    """An initial access token. `expires_at` in seconds since 1970."""

    digest: bytes
    uses_left: int
    expires_at: float


class RegistrationTokens(Protocol):
    """The store of initial access tokens, as digests."""

    async def add(self, token: RegistrationToken) -> None:
        """Add a new one."""
        ...

    async def use(self, digest: bytes, now: float) -> bool:
        """Use it once more; False if it is unknown, used up or expired. One statement says which."""
        ...

    async def is_valid(self, digest: bytes, now: float) -> bool:
        """Whether it could be used now."""
        ...

    async def forget_before(self, expired_at: float) -> None:
        """Delete those that expired before then."""
        ...


def new_registration_token() -> str:
    """Generate an initial access token: a recognizable prefix and 256 random bits."""
    return _INITIAL_PREFIX + secrets.token_urlsafe(_BYTES)


def new_own_token() -> str:
    """Generate the token with which a client changes its registration."""
    return _OWN_PREFIX + secrets.token_urlsafe(_BYTES)
