"""Detecting at startup that settings have changed since the last start."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec
import structlog

from gatepass.server.domain.events.event import OPERATOR
from gatepass.server.domain.events.recording import record

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction

log = structlog.get_logger("gatepass")

_NEW_ISSUER = (
    "access tokens of the former one are refused, and the next refresh brings one of the new; APIs must be told the new"
    " issuer, and clients that have it as their audience follow; passkeys open only what is at the host that they were"
    " made for; links in mails that are under way lead to the former"
)
_NEW_ROLES = "tokens issued before have the former permissions until they expire; refreshing brings the new ones"
_OF_ONE_PROCESS = ("host", "port")


async def note_settings(database: Database, data_key: DataKey, settings: Settings) -> None:
    """Record the names of changed settings. Their values, some of them secret, are stored as MACs."""
    key = data_key.derive("settings")
    names = [name for name in settings.__struct_fields__ if name not in _OF_ONE_PROCESS]
    values = {name: msgspec.to_builtins(getattr(settings, name)) for name in names}  # the repr hides secrets
    now = {name: hmac.digest(key, f"{name}={value!r}".encode(), hashlib.sha256).hex() for name, value in values.items()}

    async def look(tx: Transaction) -> dict[str, str]:
        return await tx.events.settings_seen()

    if await database.read(look) == now:
        return

    async def unit(tx: Transaction) -> None:
        before = await tx.events.settings_seen()
        changed = sorted(name for name in now if name in before and before[name] != now[name])
        if "issuer" in changed:
            log.warning("the issuer has changed", meaning=_NEW_ISSUER)
        if "roles" in changed:
            log.warning("the table of roles has changed", meaning=_NEW_ROLES)
        if changed:
            await record(tx, "settings_changed", actor=OPERATOR, reason=" ".join(changed))
        await tx.events.see_settings(now)

    await database.transaction(unit)
