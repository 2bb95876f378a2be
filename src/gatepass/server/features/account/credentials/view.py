"""Reading all of a user's credentials besides the password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.operator_enrollment import needs_enrollment_code

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.passkeys.passkey import Passkey
    from gatepass.server.domain.credentials.totp import TotpSecret
    from gatepass.server.domain.credentials.trusted_devices import TrustedDevice
    from gatepass.server.domain.ports import Database, Transaction


class TotpShown(msgspec.Struct, frozen=True):
    """An authenticator app; `created_at` in seconds since 1970."""

    created_at: int


class PasskeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey; times in seconds since 1970. One that is backed up may be on several devices."""

    id: str
    name: str
    created_at: int
    used_at: int | None
    can_be_backed_up: bool
    is_backed_up: bool


class DeviceShown(msgspec.Struct, frozen=True, kw_only=True):
    """A trusted device; times in seconds since 1970."""

    id: str
    address: str
    user_agent: str
    created_at: int
    expires_at: int


class FactorsShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The user's factors, and the number of recovery codes left.

    `enrollment_code_required`: the first factor needs the code that the command line printed for a new operator.
    """

    totp: TotpShown | None
    passkeys: tuple[PasskeyShown, ...]
    recovery_codes: int
    devices: tuple[DeviceShown, ...]
    enrollment_code_required: bool = False


async def read_credentials(database: Database, user_id: str) -> FactorsShown:
    """All factors, in one reading. An unconfirmed authenticator app does not count."""

    async def unit(tx: Transaction) -> FactorsShown:
        return FactorsShown(
            totp=_totp_shown(await tx.totp.of(user_id)),
            passkeys=tuple(map(_passkey_shown, await tx.passkeys.of(user_id))),
            recovery_codes=(await tx.factors.of(user_id)).recovery_codes,
            devices=tuple(map(_device_shown, await tx.devices.of(user_id, tx.now))),
            enrollment_code_required=await needs_enrollment_code(tx, user_id),
        )

    return await database.read(unit)


def _totp_shown(secret: TotpSecret | None) -> TotpShown | None:
    if secret is None or secret.confirmed_at is None:
        return None
    return TotpShown(int(secret.created_at))


def _passkey_shown(passkey: Passkey) -> PasskeyShown:
    return PasskeyShown(
        id=passkey.id,
        name=passkey.name,
        created_at=int(passkey.created_at),
        used_at=None if passkey.used_at is None else int(passkey.used_at),
        can_be_backed_up=passkey.can_be_backed_up,
        is_backed_up=passkey.is_backed_up,
    )


def _device_shown(device: TrustedDevice) -> DeviceShown:
    return DeviceShown(
        id=device.id,
        address=device.address,
        user_agent=device.user_agent,
        created_at=int(device.created_at),
        expires_at=int(device.expires_at),
    )
