"""The acts of adding a passkey, renaming it, and removing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.operator_enrollment import use_enrollment_code
from gatepass.server.domain.credentials.passkeys.passkey import MAX_NAME_LENGTH, MOST_PER_PERSON, Passkey
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.features.account.credentials.changes import check_removable, not_found, note_added, note_removed

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def proofs(self) -> FactorProofs: ...


class PasskeyMade(Confidential, frozen=True, kw_only=True):
    """The new passkey; recovery codes with the first factor."""

    id: str
    name: str
    recovery_codes: tuple[str, ...]


async def creation_options(needs: Needs, user: User) -> Json:
    """Options for a passkey that the user does not have yet.

    Raises:
        Refusal: `passkeys_unavailable`.
    """
    return await needs.proofs.creation_options("register", user.id, user_id=user.id, email=user.email)


async def add_passkey(needs: Needs, call: Call, credential: Json, name: str, enrollment_code: str = "") -> PasskeyMade:
    """Add a passkey created by the browser; its challenge is accepted once. An operator's first factor needs a code.

    Raises:
        Refusal: `passkeys_unavailable`, `invalid_passkey`, `factor_exists`, `too_many_passkeys`,
            `enrollment_code_required`, or `session_ended`.
    """
    user, session_id = call.caller.user, call.caller.session_id
    registered, answered = await needs.proofs.register(credential, "register", user.id)

    async def unit(tx: Transaction) -> PasskeyMade | Refusal:
        if refused := await check_still(tx, user, session_id):
            return refused
        known = await tx.passkeys.of(user.id)
        if len(known) >= MOST_PER_PERSON:
            return Refusal(
                "too_many_passkeys", f"A user can have at most {MOST_PER_PERSON} passkeys: remove one first."
            )
        if not await tx.used_once.use("passkey_challenge", answered.id, expires_at=answered.expires_at):
            return invalid_passkey()
        if refused := await use_enrollment_code(tx, user.id, enrollment_code):
            return refused
        passkey = Passkey(
            id=new_id("psk"),
            user_id=user.id,
            name=_one_line(name) or f"Passkey {len(known) + 1}",
            created_at=tx.now,
            **msgspec.structs.asdict(registered),
        )
        if not await tx.passkeys.add(passkey):
            return Refusal("factor_exists", "This passkey is already registered.")
        codes = await note_added(needs, tx, call, "passkey", at=passkey.created_at)
        return PasskeyMade(id=passkey.id, name=passkey.name, recovery_codes=codes)

    return await decide(needs.database, unit, about=user.id)


async def rename_passkey(needs: Needs, user: User, passkey_id: str, name: str) -> None:
    """Rename a passkey. Raises Refusal: `factor_not_found`, for an empty name too."""
    line = _one_line(name)

    async def unit(tx: Transaction) -> Refusal | None:
        is_renamed = bool(line) and await tx.passkeys.rename(passkey_id, user.id, line)
        return None if is_renamed else not_found()

    await decide(needs.database, unit, about=user.id)


async def remove_passkey(needs: Needs, call: Call, passkey_id: str) -> None:
    """Remove a passkey.

    Raises:
        Refusal: `session_ended`, `factor_not_found`, or `password_too_short`.
    """
    user, session_id = call.caller.user, call.caller.session_id
    user_id = user.id

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, session_id) or await check_removable(tx, user_id):
            return refused
        if not await tx.passkeys.remove(passkey_id, user_id):
            return not_found()
        await note_removed(needs, tx, call, "passkey")
        return None

    await decide(needs.database, unit, about=user.id)


def _one_line(name: str) -> str:
    """A name in its stored form: one line, limited in length."""
    return " ".join(name.split())[:MAX_NAME_LENGTH]
