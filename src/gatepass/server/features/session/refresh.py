"""The act of refreshing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, assert_never

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.domain.sessions.refresh_credentials import invalid_refresh_token, refresh_credential
from gatepass.server.domain.sessions.rotation import advance

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import MovedOn, RotationPolicy
    from gatepass.tokens.refresh_token import RefreshToken


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def rotation(self) -> RotationPolicy: ...


async def refresh(needs: Needs, token: RefreshToken, jkt: str | None) -> tuple[MovedOn, float]:
    """Advance the grant of a first-party refresh token, and return when that was, in seconds since 1970.

    Args:
        needs: The store, and the time limits of refreshing.
        token: An authentic refresh token.
        jkt: The thumbprint of the key that its sender has proved to have, if any.

    Raises:
        Refusal: `refresh_token_reused`, `session_ended` or `invalid_refresh_token`.
    """

    async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
        now = tx.now
        verdict = await advance(tx, refresh_credential(token, FIRST_PARTY, jkt), pace=needs.rotation)
        match verdict:
            case Advanced() | Same() | Reissued():
                return verdict, now
            case Stolen():
                return Refusal(
                    "refresh_token_reused", "This token was already used, so the session was ended: sign in again."
                )
            case Ended():
                return session_ended()
            case Unknown():
                return invalid_refresh_token()
            case _:
                assert_never(verdict)

    needs.database.check_settled()
    return await decide(needs.database, unit, is_lone_statement=True)
