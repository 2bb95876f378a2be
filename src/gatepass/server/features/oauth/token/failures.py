"""Failed tries at the token endpoint: each is an event, and counts against a limit.

What could be guessed here has 128 random bits at least, so the limit does not protect codes; it keeps whoever sends
wrong ones from writing events without end. So it is looked at when a try has failed, and never keeps a client from
what is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.attempts import network_of
from gatepass.server.domain.limits.throttle import too_many_attempts

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.token.request import FailedGrant


async def count_failure(core: Core, client: Client, where: Origin, failed: FailedGrant) -> Refusal:
    """Record it; what to answer: the refusal, or above the limit when to try again."""
    attempt = core.grant_throttle.attempt("grant", _counted_as(client, where), NOWHERE)

    async def unit(tx: Transaction) -> Refusal:
        if wait := await core.grant_throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        await core.grant_throttle.failed(tx, attempt)
        held = None if failed.presents is None else await tx.grants.held_by(failed.presents)
        user_id = failed.user_id if held is None else held.user_id
        await record(tx, "grant_refused", user_id, actor="", reason=client.id, where=where)
        return failed

    return await core.database.transaction(unit, shared=True)


def _counted_as(client: Client, where: Origin) -> str:
    """A client, and of one whose name anyone can use the network: no stranger uses up the tries of all the others."""
    return f"{client.id} from {network_of(where.address)}" if client.is_public else client.id
