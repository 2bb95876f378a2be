"""`POST /logout` and `/logout/all`: end this session, or all of the person's. The refresh tokens are dead at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.domain.sessions.revoke import end_session, end_sessions_of
from gatepass.server.web.answers import no_content
from gatepass.server.web.auth.requirements import ANYONE, SESSION
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import Refusal
    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call

_PROBLEMS = ("invalid_refresh_token", "cross_site_request")


class LogoutRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The refresh token, unless a bearer token or a cookie says whose session it is."""

    refresh_token: str | None = None


class LogoutForm(PageForm, frozen=True, kw_only=True):
    """The form of the account page."""


class Logout:
    """The flow. Ending a session that has ended already is no error: the caller has what it asked for."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._browser = core.browser
        self._pages = core.pages
        self._cookie_auth = core.cookie_auth

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(
                method="POST",
                path="/logout",
                handler=self.logout,
                auth=SESSION,
                summary="End this session",
                body=LogoutRequest,
                answers={204: None},
                problems=_PROBLEMS,
            ),
            Route(
                method="POST",
                path="/logout/all",
                handler=self.logout_all,
                auth=SESSION,
                summary="End all of the person's sessions",
                body=LogoutRequest,
                answers={204: None},
                problems=(*_PROBLEMS, "session_ended"),
            ),
            page_form("/pages/logout", self.submit, LogoutForm, ANYONE),
        )

    async def logout(self, call: Call, _body: LogoutRequest) -> Response:
        """End the session that the token belongs to."""
        session = call.session
        await self._end(session.session_id, session.user_id, call.origin)
        return self._done(call)

    async def submit(self, call: Call, _form: LogoutForm) -> Response:
        """End the session of who looks at the page, and forget its cookie."""
        visitor = await self._cookie_auth.of(call.request)
        if visitor is not None:
            await self._end(visitor.session_id, visitor.user.id, call.origin)
        response = self._pages.go_to(self._pages.path("login"))
        self._browser.clear_cookie(call.request, response)
        return response

    async def _end(self, session_id: str, user_id: str, where: Origin) -> None:
        async def unit(tx: Transaction) -> None:
            await end_session(tx, session_id, user_id, "logout", where=where)

        await self._database.transaction(unit)

    async def logout_all(self, call: Call, _body: LogoutRequest) -> Response:
        """End every session of the person that the token belongs to: what has ended has no power over what lives."""
        session, where = call.session, call.origin

        async def unit(tx: Transaction) -> Refusal | None:
            if not await tx.sessions.is_live(session.session_id, session.user_id, tx.now):
                return session_ended()
            await end_sessions_of(tx, session.user_id, "logout_all", where=where)
            return None

        await decide(self._database, unit)
        return self._done(call)

    def _done(self, call: Call) -> Response:
        response = no_content()
        self._browser.clear_cookie(call.request, response)
        return response
