"""`POST /refresh`: a new access token, and the refresh token that the grant has come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import Advanced, Ended, Reissued, Same, Stolen, Unknown
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.domain.sessions.refresh_credentials import invalid_refresh_token, refresh_credential
from gatepass.server.domain.sessions.rotation import advance, pace_of
from gatepass.server.web.auth.requirements import REFRESH
from gatepass.server.web.routing import Route
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.grant import MovedOn
    from gatepass.server.web.call import Call


class RefreshRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The refresh token, unless a cookie holds it."""

    refresh_token: str | None = None


class Refresh:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._token_responses = core.token_responses
        self._keys = core.keys
        self._dpop = core.dpop
        self._pace = pace_of(core.settings)
        self._rights = ClientPolicy.of_first_party(core.settings)

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(
                method="POST",
                path="/refresh",
                handler=self.refresh,
                auth=REFRESH,
                summary="Get a new pair of tokens",
                body=RefreshRequest,
                answers={200: TokenPair},
                problems=(
                    "missing_refresh_token",
                    "invalid_refresh_token",
                    "refresh_token_reused",
                    "session_ended",
                    "cross_site_request",
                    "invalid_dpop_proof",
                    "invalid_audience",
                ),
            ),
        )

    async def refresh(self, call: Call, _body: RefreshRequest) -> Response:
        """Move the grant on and answer; a refusal leaves the cookie alone, for by now it may be a newer one."""
        keys = self._keys.current
        token = call.refresh_token
        jkt = await self._dpop.thumbprint(call.request)

        async def unit(tx: Transaction) -> tuple[MovedOn, float] | Refusal:
            now = tx.now
            verdict = await advance(tx, refresh_credential(token, FIRST_PARTY, jkt), pace=self._pace)
            match verdict:
                case Advanced() | Same() | Reissued():
                    return verdict, now
                case Stolen():
                    return Refusal("refresh_token_reused", "This token was used before; the session has been ended.")
                case Ended():
                    return session_ended()
                case Unknown():
                    return invalid_refresh_token()
                case _:
                    assert_never(verdict)

        self._database.check_settled()
        moved, now = await decide(self._database, unit, is_lone_statement=True)
        current = msgspec.structs.replace(token, serial=moved.serial)
        return await self._token_responses.answer(self._rights.today(moved.bearer), current, keys=keys, now=now)
