"""Which sign-in an access token of ours belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.own_tokens import status_of

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.verify import Principal


class TokenSession(msgspec.Struct, frozen=True):
    """A session, possibly ended, and its user."""

    session_id: str
    user_id: str


async def session_of_token(tx: Transaction, principal: Principal) -> TokenSession | None:
    """Find it: a token of ours names it. Other clients' tokens may have pairwise names, which lead back nowhere.

    Those are found by the grant at the status index; None when that has ended.
    """
    if principal.client_id == FIRST_PARTY:
        return TokenSession(principal.session_id or "", principal.subject)
    status = status_of(principal)
    owner = None if status is None else await tx.grants.owner_at(status)
    return None if owner is None else TokenSession(owner.session_id, owner.user_id)
