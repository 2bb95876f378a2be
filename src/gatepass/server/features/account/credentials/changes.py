"""What adding and removing any factor has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.recovery_codes import new_codes
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.revoke import drop_factors

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call

Factor: TypeAlias = Literal["totp", "passkey"]


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def notices(self) -> Notices: ...
    @property
    def proofs(self) -> FactorProofs: ...


async def note_added(needs: Needs, tx: Transaction, call: Call, factor: Factor, *, at: float) -> tuple[str, ...]:
    """Record a new factor and notify the user; return recovery codes if the user has none yet."""
    user = call.caller.user
    await record(tx, "factor_added", user.id, reason=factor, where=call.origin)
    await needs.notices.warn(tx, "factor_added", user, language=call.language, at=at, where=call.origin)
    if (await tx.factors.of(user.id)).recovery_codes:
        return ()
    codes = new_codes()
    await tx.recovery_codes.replace(user.id, needs.proofs.recovery_digests(user.id, codes))
    return codes


async def check_removable(tx: Transaction, user_id: str) -> Refusal | None:
    """Refuse to remove the last factor if the password is too short without one."""
    factors = await tx.factors.of(user_id)
    if factors.passkeys + factors.totp > 1 or not await tx.passwords.is_short(user_id):
        return None
    return Refusal("password_too_short", "Without a second factor, your password is too short: set a longer one first.")


async def note_removed(needs: Needs, tx: Transaction, call: Call, factor: Factor) -> None:
    """Record a removed factor and notify the user; the last one takes recovery codes and trusted devices with it."""
    user = call.caller.user
    await record(tx, "factor_removed", user.id, reason=factor, where=call.origin)
    await needs.notices.warn(tx, "factor_removed", user, language=call.language, where=call.origin)
    if not (await tx.factors.of(user.id)).are_asked:
        await drop_factors(tx, user.id)


def not_found() -> Refusal:
    """The refusal if there is no such credential."""
    return Refusal("factor_not_found", "There is no factor of this kind and id.")
