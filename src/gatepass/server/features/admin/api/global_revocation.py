"""`POST /oauth/revoke-global`: an identity provider, or an operator's program, ends all that a person has here.

Global Token Revocation, draft-parecki-oauth-global-token-revocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.sub_id import SubjectIdentifier  # noqa: TC001 - msgspec reads it
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.limits.attempts import Limit
from gatepass.server.domain.limits.throttle import Throttle, too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import end_sessions_of
from gatepass.server.web.answers import no_content
from gatepass.server.web.auth.requirements import OPERATOR_REVOKE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call

PATH = "/oauth/revoke-global"
QUOTA = Limit(free=1_000, window=3_600.0, first_pause=1, longest_pause=60)
"""For each caller: enough for an incident, while a stolen secret does not keep everybody signed out."""


class GlobalRevocationRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose sessions and tokens end."""

    sub_id: SubjectIdentifier


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path=PATH,
            handler=GlobalRevocation(core).revoke,
            auth=OPERATOR_REVOKE,
            summary="End all sessions and tokens of a person, wherever they are",
            body=GlobalRevocationRequest,
            answers={204: None},
            problems=("user_not_found", "invalid_email", "operator_protected", "too_many_attempts"),
        ),
    )


class GlobalRevocation:
    """Ends what people have, within a quota for each caller."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._quota = Throttle(
            core.data_key.derive("global revocations"), account=QUOTA, network=QUOTA, notices_stuffing=False
        )

    async def revoke(self, call: Call, body: GlobalRevocationRequest) -> Response:
        """Every session and grant dies at every verifier within a second; the account itself stays as it is."""
        await self._count(call)
        operator, issuer = call.operator, self._core.settings.issuer_url

        async def unit(tx: Transaction) -> Refusal | None:
            user = await body.sub_id.find(tx, issuer)
            if user is None:
                return Refusal("user_not_found", "No user has this subject identifier.")
            if refused := operator.check_may_change(user):
                return refused
            await end_sessions_of(tx, user.id, "global_revocation", actor=operator.id, where=call.origin)
            return None

        await decide(self._core.database, unit)
        return no_content()

    async def _count(self, call: Call) -> None:
        """Count each call, also one about a stranger, so that nobody goes through lists of addresses.

        Raises:
            Refusal: `too_many_attempts`.
        """
        attempt = self._quota.attempt("global revocation", call.operator.id, NOWHERE)

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._quota.hold(tx, attempt):
                return too_many_attempts(wait)
            await self._quota.failed(tx, attempt)
            return None

        await decide(self._core.database, unit)
