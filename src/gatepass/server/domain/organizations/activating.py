"""Which organization the tokens of a sign-in are for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.joining import check_connected
from gatepass.server.domain.organizations.organization import not_a_member
from gatepass.server.domain.sessions.grant import ActiveOrganization
from gatepass.server.domain.sessions.revoke import move_grants

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys

MOST_NAMED = 20
"""How many organizations the live tokens of one grant may name, so that all of them can be found and revoked."""


async def active_organization(tx: Transaction, user_id: str, id_or_slug: str) -> ActiveOrganization | Refusal | None:
    """The organization that a person asks tokens for; None where they ask for none.

    Refused as `not_a_member`, or as `check_connected`.
    """
    if not id_or_slug:
        return None
    if not id_or_slug.isprintable():  # not every database takes other text
        return not_a_member()
    membership = await tx.members.membership(id_or_slug, user_id)
    if membership is None:
        return not_a_member()
    found, user = membership.organization, await tx.users.by_id(user_id)
    if user is not None and (refused := await check_connected(tx, user, found.id)):
        return refused
    return ActiveOrganization(id=found.id, slug=found.slug, name=found.name, roles=membership.roles)


async def choose_organization(
    tx: Transaction, grant_id: str, user_id: str, id_or_slug: str, lists: ListKeys
) -> Refusal | None:
    """Let the tokens of a grant name another organization from now on, or none. Refused as `active_organization`.

    Those that name the former one stay good: the person is a member there too.
    """
    chosen = await active_organization(tx, user_id, id_or_slug)
    if isinstance(chosen, Refusal):
        return chosen
    status, others = await tx.grants.choose_organization(grant_id, "" if chosen is None else chosen.id)
    if others > MOST_NAMED:
        await move_grants(tx, [(grant_id, status)], lists)
    return None
