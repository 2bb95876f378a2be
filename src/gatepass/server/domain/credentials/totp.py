"""Codes of an authenticator application (TOTP, RFC 6238): six digits, 30 seconds, SHA-1, as all of them take."""

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
"""Before and after the current one; RFC 6238 §5.2 allows for the delay of one."""


class TotpSecret(Confidential, frozen=True, kw_only=True):
    """Somebody's secret, sealed. Times in seconds since 1970; until it is confirmed it opens nothing.

    `last_step` is the number of the latest code that was used: that one and those before it are worth nothing.
    """

    user_id: str
    sealed: bytes
    last_step: int
    created_at: float
    confirmed_at: float | None = None


class TotpSecrets(Protocol):
    """Where each person's secret is kept."""

    async def of(self, user_id: str) -> TotpSecret | None:
        """The person's secret, confirmed or not."""
        ...

    async def put(self, secret: TotpSecret) -> bool:
        """Keep a new secret in place of an unconfirmed one; False when there is a confirmed one, which stays."""
        ...

    async def confirm(self, user_id: str, step: int, now: float) -> bool:
        """Confirm the secret and use its first code up; False when there is nothing to confirm."""
        ...

    async def use(self, user_id: str, step: int) -> bool:
        """Use a code up; False when it or a later one was used before. One statement says which."""
        ...

    async def remove_set_up_since(self, user_id: str, since: float) -> bool:
        """Forget the secret when it was made or confirmed then or later; False when it was not."""
        ...

    async def remove(self, user_id: str) -> bool:
        """Forget the secret; False when there was none."""
        ...


class Enrolment(msgspec.Struct, frozen=True):
    """What an authenticator application is told of a secret: in a QR code, or typed."""

    secret: str
    uri: str


def new_secret() -> bytes:
    """Make a secret."""
    return os.urandom(_SECRET_BYTES)


def enrolment(secret: bytes, *, account: str, issuer: str) -> Enrolment:
    """Spell a secret for an application (Key URI Format)."""
    spelled = _spelled(secret)
    return Enrolment(secret=spelled, uri=_totp(secret).provisioning_uri(name=account, issuer_name=issuer))


def step_of(secret: bytes, typed: str, now: float) -> int | None:
    """The number of the step whose code was typed, if that is now; the latest where two are the same."""
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
