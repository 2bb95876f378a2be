"""Devices that somebody has asked us to remember: the second factor is not asked there for a while."""

from __future__ import annotations

import hashlib
import secrets
from typing import Protocol

from gatepass.server.base.confidential import Confidential

_TOKEN_BYTES = 32


class TrustedDevice(Confidential, frozen=True, kw_only=True):
    """A remembered device; times in seconds since 1970. `digest` is of what its cookie holds."""

    id: str
    user_id: str
    digest: bytes
    address: str
    user_agent: str
    created_at: float
    expires_at: float


class RememberedDevices(Protocol):
    """Where devices are kept."""

    async def add(self, device: TrustedDevice) -> None:
        """Remember a device."""
        ...

    async def knows(self, user_id: str, digest: bytes, now: float) -> bool:
        """Whether this is a device of the person's."""
        ...

    async def of(self, user_id: str, now: float) -> list[TrustedDevice]:
        """The person's devices, the latest first."""
        ...

    async def forget(self, device_id: str, user_id: str) -> bool:
        """Forget a device; False when it is not the person's."""
        ...

    async def forget_all_of(self, user_id: str) -> None:
        """Forget all of the person's."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Drop what is too old."""
        ...


def new_device_token() -> str:
    """Make what the cookie of a device holds."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """What is kept of it. It is random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()
