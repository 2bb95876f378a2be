"""Device authorization (RFC 8628): a device without a browser waits until a person has agreed to it in theirs."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata
from typing import Literal, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.events.event import Origin  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest  # noqa: TC001 - as above

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DEVICE_SECONDS = 600
PAUSE_SECONDS = 5
"""Between two polls, and how much longer it becomes when a device asks sooner (RFC 8628 §3.5)."""
MOST_OF_A_CLIENT = 50
"""Codes of a client that wait at once for devices of one network: anyone can ask in the name of a public client."""
MOST_IN_ALL = 1_000
"""Codes of a client that wait at once: the more there are, the more of them a guess may hit."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Consonants alone, so that no word comes of it (RFC 8628 §6.1): eight of them are 34.5 bits."""
_LENGTH = 8
_CODE_BYTES = 32

State = Literal["pending", "approved", "denied", "redeemed"]


class DeviceCode(Confidential, frozen=True, kw_only=True):
    """A device that waits. Times in seconds since 1970.

    Attributes:
        digest: What is kept of the code that the device polls with.
        user_digest: What is kept of the code that the person types in.
        request: What is asked; once it is approved, what was agreed to.
        asked_from: Where the device asked from.
        asked_at: When it did.
        expires_at: Until when it can be approved, and redeemed.
        pause: Seconds that have to pass between two polls.
        polled_at: When it last polled.
        state: Whether it was decided, and used.
        session_id: The session in the browser that approved it; empty before.
        user_id: Who approved it.
    """

    digest: bytes
    user_digest: bytes
    request: AuthorizationRequest
    asked_from: Origin
    asked_at: float
    expires_at: float
    pause: int = PAUSE_SECONDS
    polled_at: float = 0
    state: State = "pending"
    session_id: str = ""
    user_id: str = ""


class DeviceCodes(Protocol):
    """Where devices that wait are kept."""

    async def add(self, code: DeviceCode) -> bool:
        """Keep a new one; False when another one waits with the same user code."""
        ...

    async def by_digest(self, digest: bytes) -> DeviceCode | None:
        """The device that polls with this code."""
        ...

    async def waiting(self, user_digest: bytes, now: float) -> DeviceCode | None:
        """The device that waits for this user code to be approved."""
        ...

    async def approve(
        self, user_digest: bytes, request: AuthorizationRequest, *, user_id: str, session_id: str, now: float
    ) -> bool:
        """Approve what was agreed to; False when it was decided before, or expired. One statement says which."""
        ...

    async def deny(self, user_digest: bytes, now: float) -> bool:
        """Deny it; False as for `approve`."""
        ...

    async def poll(self, digest: bytes, *, pause: int, now: float) -> None:
        """Note a poll, and the pause from now on."""
        ...

    async def redeem(self, digest: bytes) -> bool:
        """Use up an approved code; False when it was before. One statement says which."""
        ...

    async def addresses_of(self, client_id: str, now: float) -> list[str]:
        """From where each of a client's devices that wait has asked."""
        ...

    async def forget_before(self, expired_at: float) -> None:
        """Drop those that expired before."""
        ...

    async def remove_unused_of(self, user_id: str, client_id: str) -> None:
        """Drop those of one client that the person has approved, and nobody has redeemed."""
        ...

    async def remove_all_of_client(self, client_id: str) -> None:
        """Drop a client's."""
        ...


def new_device_code() -> str:
    """Make a code of 256 random bits for the device."""
    return secrets.token_urlsafe(_CODE_BYTES)


def new_user_code() -> str:
    """Make a code for a person to type, as `XXXX-XXXX`."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def user_digest(user_code: str, key: bytes) -> bytes:
    """What is kept of a user code, however it is spelled, also with the wide letters of Asian keyboards.

    It is short, so the digest needs a key.
    """
    letters = filter(str.isalnum, unicodedata.normalize("NFKC", user_code).upper())
    return hmac.digest(key, "".join(letters).encode(), hashlib.sha256)
