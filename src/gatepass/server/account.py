"""What a person sees of themselves: `GET /me`, `GET /sessions`, `DELETE /sessions/{id}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.ending import end_session
from gatepass.server.errors import Refusal
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.sessions import SessionInUse
    from gatepass.server.settings import Settings
    from gatepass.server.signin.caller import Callers
    from gatepass.server.transaction import Database, Transaction


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The person behind the token; `created_at` in seconds since 1970."""

    id: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    created_at: int


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """One of the person's sign-ins; times in seconds since 1970. `current`: this call's token belongs to it."""

    id: str
    current: bool
    address: str
    user_agent: str
    auth_time: int
    last_seen: int
    expires_at: int


class SignIns(msgspec.Struct, frozen=True):
    """The person's sign-ins, most recently used first."""

    sessions: tuple[SignIn, ...]


class Account:
    """The flow."""

    def __init__(self, database: Database, callers: Callers, settings: Settings) -> None:
        self._database = database
        self._callers = callers
        self._idle_seconds = settings.session_idle_seconds

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(method="GET", path="/me", handler=self.me, summary="Who am I", answers={200: Me}, secured=True),
            Route(
                method="GET",
                path="/sessions",
                handler=self.sessions,
                summary="Where I am signed in",
                answers={200: SignIns},
                secured=True,
            ),
            Route(
                method="DELETE",
                path="/sessions/{id}",
                handler=self.end_session,
                summary="End one of my sessions",
                answers={204: None},
                problems=("session_not_found",),
                secured=True,
            ),
        )

    async def me(self, request: Request, _body: None) -> Response:
        """Answer with the caller's account."""
        _, user = await self._callers.identify(request)
        return JsonResponse(
            Me(
                id=user.id,
                email=user.email,
                email_verified=user.email_verified_at is not None,
                roles=user.roles,
                created_at=int(user.created_at),
            )
        )

    async def sessions(self, request: Request, _body: None) -> Response:
        """Answer with the caller's live sessions."""
        principal, user = await self._callers.identify(request)

        async def unit(tx: Transaction) -> list[SessionInUse]:
            return await tx.sessions.live_of(user.id, now=tx.now, idle_seconds=self._idle_seconds)

        found = await self._database.read(unit)
        return JsonResponse(SignIns(tuple(_sign_in(each, principal.session_id) for each in found)))

    async def end_session(self, request: Request, _body: None) -> Response:
        """End a session of the caller's."""
        _, user = await self._callers.identify(request)
        session_id = request.path_params["id"]

        async def unit(tx: Transaction) -> bool:
            return await end_session(tx, session_id, user.id, "ended_by_user")

        if not await self._database.transaction(unit):
            raise Refusal("session_not_found", "You have no live session of this id.")
        return no_content()


def _sign_in(found: SessionInUse, current_id: str | None) -> SignIn:
    session = found.session
    return SignIn(
        id=session.id,
        current=session.id == current_id,
        address=session.address,
        user_agent=session.user_agent,
        auth_time=int(session.auth_time),
        last_seen=int(found.last_seen),
        expires_at=int(session.expires_at),
    )
