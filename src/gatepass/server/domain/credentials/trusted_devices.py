"""Trusted devices, where a user is not asked for the second factor for a while."""

from __future__ import annotations

import secrets
from typing import Protocol

from gatepass.server.base.confidential import Confidential

_TOKEN_BYTES = 32


class TrustedDevice(Confidential, frozen=True, kw_only=True):
    """A trusted device; times in seconds since 1970. `digest` is of its cookie's value."""

    id: str
    user_id: str
    digest: bytes
    address: str
    user_agent: str
    created_at: float
    expires_at: float


class RememberedDevices(Protocol):
    """The store of trusted devices."""

    async def add(self, device: TrustedDevice) -> None:
        """Add a device."""
        ...

    async def knows(self, user_id: str, digest: bytes, now: float) -> bool:
        """Whether this is a trusted device of the user."""
        ...

    async def of(self, user_id: str, now: float) -> list[TrustedDevice]:
        """The user's devices, the latest first."""
        ...

    async def forget(self, device_id: str, user_id: str) -> bool:
        """Remove a device; False if the user has no such device."""
        ...

    async def forget_all_of(self, user_id: str) -> None:
        """Remove all of the user's devices."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove expired devices."""
        ...


def new_device_token() -> str:
    """Make the cookie value of a device."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
