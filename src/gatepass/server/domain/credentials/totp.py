"""Codes of an authenticator app (TOTP, RFC 6238): six digits, 30 seconds, SHA-1, which all apps support."""

from __future__ import annotations

import base64
import hmac
import os
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential

if TYPE_CHECKING:
    from pyotp.totp import TOTP

STEP_SECONDS = 30
DIGITS = 6
_SECRET_BYTES = 20
"""RFC 4226 §4, R6."""
_DRIFT_STEPS = 1
"""Steps accepted before and after the current one; RFC 6238 §5.2 allows one of delay."""


class TotpSecret(Confidential, frozen=True, kw_only=True):
    """A user's secret, sealed. Times in seconds since 1970; it has no effect until it is confirmed.

    `last_step` is the number of the latest code that was used; that code and earlier ones are refused.
    """

    user_id: str
    sealed: bytes
    last_step: int
    created_at: float
    confirmed_at: float | None = None


class TotpSecrets(Protocol):
    """The store of secrets, one for each user."""

    async def of(self, user_id: str) -> TotpSecret | None:
        """The user's secret, confirmed or not."""
        ...

    async def put(self, secret: TotpSecret) -> bool:
        """Set a new secret, replacing an unconfirmed one; False if there is a confirmed one, which stays."""
        ...

    async def confirm(self, user_id: str, step: int, now: float) -> bool:
        """Confirm the secret by its first code; False if there is nothing to confirm."""
        ...

    async def use(self, user_id: str, step: int) -> bool:
        """Use a code; False if it or a later one was already used. One statement decides."""
        ...

    async def remove_set_up_since(self, user_id: str, since: float) -> bool:
        """Remove the secret if it was created or confirmed then or later; False if it was not."""
        ...

    async def remove(self, user_id: str) -> bool:
        """Remove the secret; False if there was none."""
        ...


class Enrolment(msgspec.Struct, frozen=True):
    """What an authenticator app needs of a secret: as a QR code, or for typing."""

    secret: str
    uri: str


def new_secret() -> bytes:
    """Make a secret."""
    return os.urandom(_SECRET_BYTES)


def enrolment(secret: bytes, *, account: str, issuer: str) -> Enrolment:
    """The secret as a URI for an app (Key URI Format)."""
    spelled = _spelled(secret)
    return Enrolment(secret=spelled, uri=_totp(secret).provisioning_uri(name=account, issuer_name=issuer))


def step_of(secret: bytes, typed: str, now: float) -> int | None:
    """The number of the step that the typed code belongs to, if it is current; the latest of two equal ones."""
    code, current, totp = "".join(typed.split()), int(now // STEP_SECONDS), _totp(secret)
    found: int | None = None
    for step in range(current - _DRIFT_STEPS, current + _DRIFT_STEPS + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()):
            found = step
    return found


def _totp(secret: bytes) -> TOTP:
    from pyotp.totp import TOTP  # noqa: PLC0415 - seldom needed

    return TOTP(_spelled(secret), digits=DIGITS, interval=STEP_SECONDS)


def _spelled(secret: bytes) -> str:
    return base64.b32encode(secret).decode()
