"""The ways to sign in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.login.mail import api as mail_api
from gatepass.server.features.login.mail import pages as mail_pages
from gatepass.server.features.login.passkey import api as passkey_api
from gatepass.server.features.login.passkey import pages as passkey_pages
from gatepass.server.features.login.password import api as password_api
from gatepass.server.features.login.password import pages as password_pages
from gatepass.server.features.login.second_factor import api as second_factor_api
from gatepass.server.features.login.second_factor import pages as second_factor_pages
from gatepass.server.features.login.social import api as social_api
from gatepass.server.features.login.social import redirects as social_pages
from gatepass.server.module import Job, Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.credentials.passwords.decoys import Kind
    from gatepass.server.domain.ports import Transaction

_KINDS_SECONDS = 60.0
"""How often to count the kinds of password hashes, which change when users are imported or sign in."""
_NAMED_AT_ONCE = 500

_FACES = (
    password_api,
    password_pages,
    second_factor_api,
    second_factor_pages,
    mail_api,
    mail_pages,
    passkey_api,
    passkey_pages,
    social_api,
    social_pages,
)
"""Every way to sign in has API calls and pages."""


def module(core: Core) -> Module:
    """Sign-in by password, by email, by passkey, at another site; and the second factor."""
    settings = core.settings
    window = max(settings.account_window_seconds, settings.address_window_seconds)

    async def forget(tx: Transaction) -> None:
        await tx.used_once.forget_expired(tx.now)
        await tx.attempts.forget_before(tx.now - window)
        await tx.devices.forget_expired(tx.now)

    return Module(
        templates=__package__,
        routes=tuple(route for face in _FACES for route in face.routes(core)),
        expiry=(forget,),
        start=lambda: _read_kinds(core),
        jobs=(Job(every=_KINDS_SECONDS, run=lambda: _learn_kinds(core)),),
    )


async def _learn_kinds(core: Core) -> None:
    """Record the kind of every password hash, including old ones."""

    async def name(tx: Transaction) -> int:
        return await tx.passwords.name_kinds(_NAMED_AT_ONCE)

    while await core.database.transaction(name, shared=True) == _NAMED_AT_ONCE:
        pass
    await _read_kinds(core)


async def _read_kinds(core: Core) -> None:
    """Update the decoys; all passwords are counted only if the kinds have changed."""

    async def read(tx: Transaction) -> list[Kind]:
        return await tx.passwords.kinds()

    async def count(tx: Transaction) -> int:
        return await tx.passwords.count()

    kinds = await core.database.read(read)
    if not core.decoys.is_of(kinds):
        core.decoys.learn(await core.database.read(count), kinds)
