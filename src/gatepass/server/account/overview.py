"""What a person sees of themselves: `/me`, `/sessions`, `/account/events`, and the account page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.ending import end_session, end_sessions_of
from gatepass.server.errors import Refusal
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.events import Event, Where
    from gatepass.server.factors.kinds import Factors
    from gatepass.server.sessions import SessionInUse
    from gatepass.server.settings import Settings
    from gatepass.server.signin.caller import Callers
    from gatepass.server.signin.visitor import Visitors
    from gatepass.server.transaction import Database, Transaction
    from gatepass.server.users import User
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.pages import Pages


_MOST_ON_PAGE = 20


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


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the account; `at` in seconds since 1970. `reason` says more in a word or two."""

    at: int
    kind: str
    reason: str
    address: str
    user_agent: str
    session_id: str


class History(msgspec.Struct, frozen=True):
    """What happened to the account, newest first."""

    events: tuple[Happened, ...]


class EndSessionForm(PageForm, frozen=True, kw_only=True):
    """The form beside each session."""

    session: str = ""


class EndOthersForm(PageForm, frozen=True, kw_only=True):
    """The form below the sessions."""


class Account:
    """The flow."""

    def __init__(  # noqa: PLR0913 - a flow is handed what it works with
        self,
        database: Database,
        callers: Callers,
        *,
        address: ClientAddress,
        pages: Pages,
        visitors: Visitors,
        settings: Settings,
    ) -> None:
        self._database = database
        self._callers = callers
        self._address = address
        self._pages = pages
        self._visitors = visitors
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
            Route(
                method="GET",
                path="/account/events",
                handler=self.events,
                summary="What happened to my account",
                answers={200: History},
                secured=True,
            ),
            page("/pages/account", self.show),
            page_form("/pages/account/sessions/end", self.submit_end, EndSessionForm),
            page_form("/pages/account/sessions/end-others", self.submit_end_others, EndOthersForm),
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
        await self._end(request.path_params["id"], user, self._address.where(request))
        return no_content()

    async def events(self, request: Request, _body: None) -> Response:
        """Answer with the caller's events."""
        _, user = await self._callers.identify(request)

        async def unit(tx: Transaction) -> list[Event]:
            return await tx.events.of_user(user.id)

        return JsonResponse(History(tuple(map(_happened, await self._database.read(unit)))))

    # ── the page ──

    async def show(self, request: Request, _body: None) -> Response:
        """Show the account to who is signed in."""
        visitor = await self._visitors.of(request)
        if visitor is None:
            return self._pages.sign_in_first(request)

        async def unit(tx: Transaction) -> tuple[list[SessionInUse], list[Event], Factors]:
            user_id = visitor.user.id
            sessions = await tx.sessions.live_of(user_id, now=tx.now, idle_seconds=self._idle_seconds)
            return sessions, await tx.events.of_user(user_id), await tx.factors.of(user_id)

        sessions, events, factors = await self._database.read(unit)
        return self._pages.page(
            request,
            "account.html",
            user=visitor.user,
            current=visitor.session.id,
            sessions=sessions,
            events=events[:_MOST_ON_PAGE],
            factors=factors,
        )

    async def submit_end(self, request: Request, form: EndSessionForm) -> Response:
        """End one of the sessions, and show the others."""
        visitor = await self._visitors.of(request)
        if visitor is None:
            return self._pages.sign_in_first(request)
        await self._end(form.session, visitor.user, self._address.where(request))
        return self._pages.go_to(self._pages.path("account"))

    async def submit_end_others(self, request: Request, _form: EndOthersForm) -> Response:
        """End every session but the one that asks."""
        visitor = await self._visitors.of(request)
        if visitor is None:
            return self._pages.sign_in_first(request)
        where = self._address.where(request)

        async def unit(tx: Transaction) -> None:
            if await tx.sessions.is_live(visitor.session.id, visitor.user.id, tx.now):
                await end_sessions_of(tx, visitor.user.id, "ended_by_user", where=where, keep=visitor.session.id)

        await self._database.transaction(unit)
        return self._pages.go_to(self._pages.path("account"))

    # ── what both do ──

    async def _end(self, session_id: str, user: User, where: Where) -> None:
        async def unit(tx: Transaction) -> bool:
            return await end_session(tx, session_id, user.id, "ended_by_user", where=where)

        if not await self._database.transaction(unit):
            raise Refusal("session_not_found", "You have no live session of this id.")


def _happened(event: Event) -> Happened:
    return Happened(
        at=int(event.at),
        kind=event.kind,
        reason=event.reason,
        address=event.address,
        user_agent=event.user_agent,
        session_id=event.session_id,
    )


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
