"""The act of making new recovery codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.recovery_codes import new_codes
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def proofs(self) -> FactorProofs: ...


async def replace_recovery_codes(needs: Needs, call: Call) -> tuple[str, ...]:
    """Make new recovery codes; the old ones stop working.

    Raises:
        Refusal: `factor_not_found` where they would stand in for no factor, or `session_ended`.
    """
    caller, origin, codes = call.caller, call.origin, new_codes()
    user = caller.user

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, caller.session_id):
            return refused
        if not (await tx.factors.of(user.id)).are_asked:
            return Refusal(
                "factor_not_found", "Recovery codes need a second factor: add a passkey or an authenticator app first."
            )
        await tx.recovery_codes.replace(user.id, needs.proofs.recovery_digests(user.id, codes))
        await record(tx, "recovery_codes_made", user.id, where=origin)
        return None

    await decide(needs.database, unit, about=user.id)
    return codes
