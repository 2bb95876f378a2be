"""The act of refreshing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, assert_never

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.activating import choose_organization
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.domain.sessions.refresh_credentials import invalid_refresh_token, refresh_credential
from gatepass.server.domain.sessions.rotation import advance

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.grant import MovedOn, RefreshCredential, RotationPolicy
    from gatepass.tokens.refresh_token import RefreshToken


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def rotation(self) -> RotationPolicy: ...
    @property
    def list_keys(self) -> ListKeys: ...


async def refresh(
    needs: Needs, token: RefreshToken, jkt: str | None, organization: str | None = None
) -> tuple[MovedOn, float]:
    """Advance the grant of a first-party refresh token, and return when that was, in seconds since 1970.

    Args:
        needs: The store, and the time limits of refreshing.
        token: An authentic refresh token.
        jkt: The thumbprint of the key that its sender has proved to have, if any.
        organization: The id or slug of the organization that tokens are for from now on; empty for none, None for the
            same as before.

    Raises:
        Refusal: `refresh_token_reused`, `session_ended` or `invalid_refresh_token`; or as `choose_organization`, and
            then the token is as good as before.
    """

    async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
        now, credential = tx.now, refresh_credential(token, FIRST_PARTY, jkt)
        if organization is not None and (refused := await _switch(tx, credential, organization, needs.list_keys)):
            return refused
        verdict = await advance(tx, credential, pace=needs.rotation)
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
    if organization is None:
        return await decide(needs.database, unit, is_lone_statement=True)
    return await decide(needs.database, unit)


async def _switch(tx: Transaction, credential: RefreshCredential, organization: str, lists: ListKeys) -> Refusal | None:
    """Choose the organization first: where that is refused, the token is not used up."""
    held = await tx.grants.held_by(credential)
    is_theirs = held is not None and held.is_usable and held.client_id == FIRST_PARTY
    if held is None or not is_theirs or held.jkt not in (None, credential.jkt):
        return None  # advancing says what is wrong
    return await choose_organization(tx, held.grant_id, held.user_id, organization, lists)
