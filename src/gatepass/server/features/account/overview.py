"""What a person sees of themselves: `/me`, `/sessions`, `/account/events`, and the account page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import end_session, end_sessions_of
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.events.event import Event, Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.session import SessionInUse
    from gatepass.server.web.call import Call


_MOST_ON_PAGE = 20


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The person behind the token; `created_at` in seconds since 1970."""

    id: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    created_at: int


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
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

    sessions: tuple[SessionView, ...]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to the account; `at` in seconds since 1970. `reason` says more in a word or two."""

    at: int
    kind: str
    reason: str
    address: str
    user_agent: str
    session_id: str


class History(msgspec.Struct, frozen=True):
    """What happened to the account, newest first."""

    events: tuple[EventView, ...]


class EndSessionForm(PageForm, frozen=True, kw_only=True):
    """The form beside each session."""

    session: str = ""


class EndOthersForm(PageForm, frozen=True, kw_only=True):
    """The form below the sessions."""


class Overview:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._pages = core.pages
        self._idle_seconds = core.settings.session_idle_seconds

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(method="GET", path="/me", handler=self.me, auth=CALLER, summary="Who am I", answers={200: Me}),
            Route(
                method="GET",
                path="/sessions",
                handler=self.sessions,
                auth=CALLER,
                summary="Where I am signed in",
                answers={200: SignIns},
            ),
            Route(
                method="DELETE",
                path="/sessions/{id}",
                handler=self.end_session,
                auth=CALLER,
                summary="End one of my sessions",
                answers={204: None},
                problems=("session_not_found",),
            ),
            Route(
                method="GET",
                path="/account/events",
                handler=self.events,
                auth=CALLER,
                summary="What happened to my account",
                answers={200: History},
            ),
            page("/pages/account", self.show, CALLER),
            page_form("/pages/account/sessions/end", self.submit_end, EndSessionForm, CALLER),
            page_form("/pages/account/sessions/end-others", self.submit_end_others, EndOthersForm, CALLER),
        )

    async def me(self, call: Call, _body: None) -> Response:
        """Answer with the caller's account."""
        user = call.caller.user
        return JsonResponse(
            Me(
                id=user.id,
                email=user.email,
                email_verified=user.email_verified_at is not None,
                roles=user.roles,
                created_at=int(user.created_at),
            )
        )

    async def sessions(self, call: Call, _body: None) -> Response:
        """Answer with the caller's live sessions."""
        caller = call.caller

        async def unit(tx: Transaction) -> list[SessionInUse]:
            return await tx.sessions.live_of(caller.user.id, now=tx.now, idle_seconds=self._idle_seconds)

        found = await self._database.read(unit)
        return JsonResponse(SignIns(tuple(_sign_in(each, caller.session_id) for each in found)))

    async def end_session(self, call: Call, _body: None) -> Response:
        """End a session of the caller's."""
        user = call.caller.user
        await self._end(call.path_params["id"], user, call.origin)
        return no_content()

    async def events(self, call: Call, _body: None) -> Response:
        """Answer with the caller's events."""
        user = call.caller.user

        async def unit(tx: Transaction) -> list[Event]:
            return await tx.events.of_user(user.id)

        return JsonResponse(History(tuple(map(_happened, await self._database.read(unit)))))

    # ── the page ──

    async def show(self, call: Call, _body: None) -> Response:
        """Show the account to who is signed in."""
        caller = call.caller

        async def unit(tx: Transaction) -> tuple[list[SessionInUse], list[Event], Factors]:
            user_id = caller.user.id
            sessions = await tx.sessions.live_of(user_id, now=tx.now, idle_seconds=self._idle_seconds)
            return sessions, await tx.events.of_user(user_id), await tx.factors.of(user_id)

        sessions, events, factors = await self._database.read(unit)
        return self._pages.page(
            call.request,
            "account.html",
            user=caller.user,
            current=caller.session_id,
            sessions=sessions,
            events=events[:_MOST_ON_PAGE],
            factors=factors,
        )

    async def submit_end(self, call: Call, form: EndSessionForm) -> Response:
        """End one of the sessions, and show the others."""
        caller = call.caller
        await self._end(form.session, caller.user, call.origin)
        return self._pages.go_to(self._pages.path("account"))

    async def submit_end_others(self, call: Call, _form: EndOthersForm) -> Response:
        """End every session but the one that asks."""
        caller = call.caller
        where = call.origin

        async def unit(tx: Transaction) -> None:
            if await tx.sessions.is_live(caller.session_id, caller.user.id, tx.now):
                await end_sessions_of(tx, caller.user.id, "ended_by_user", where=where, keep=caller.session_id)

        await self._database.transaction(unit)
        return self._pages.go_to(self._pages.path("account"))

    # ── what both do ──

    async def _end(self, session_id: str, user: User, where: Origin) -> None:
        async def unit(tx: Transaction) -> Refusal | None:
            has_ended = await end_session(tx, session_id, user.id, "ended_by_user", where=where)
            return None if has_ended else Refusal("session_not_found", "You have no live session of this id.")

        await decide(self._database, unit)


def _happened(event: Event) -> EventView:
    return EventView(
        at=int(event.at),
        kind=event.kind,
        reason=event.reason,
        address=event.address,
        user_agent=event.user_agent,
        session_id=event.session_id,
    )


def _sign_in(found: SessionInUse, current_id: str | None) -> SessionView:
    session = found.session
    return SessionView(
        id=session.id,
        current=session.id == current_id,
        address=session.address,
        user_agent=session.user_agent,
        auth_time=int(session.auth_time),
        last_seen=int(found.last_seen),
        expires_at=int(session.expires_at),
    )
