"""`GET /me`, `GET /sessions`, `DELETE /sessions/{id}` and `GET /account/events`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.domain.accounts.user import application_roles
from gatepass.server.domain.sessions.session import SessionKind  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.features.account.overview.end_sessions import end_own_session
from gatepass.server.features.account.overview.read import read_events, read_profile, read_sessions
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.profile import UserProfile
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.sessions.session import SessionInUse
    from gatepass.server.web.call import Call


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The token's user; `created_at` in seconds since 1970."""

    id: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    created_at: int
    name: str
    locale: str
    metadata: dict[str, Any]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """One of the user's sessions; times in seconds since 1970. `current`: this request's token belongs to it.

    A session that an application keeps when the browser's has ended (`offline`), or that of a device (`device`), is
    named for its client.
    """

    id: str
    kind: SessionKind
    client_id: str
    client_name: str
    current: bool
    address: str
    user_agent: str
    auth_time: int
    last_seen: int
    expires_at: int


class SignIns(msgspec.Struct, frozen=True):
    """The user's sessions, most recently used first."""

    sessions: tuple[SessionView, ...]


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the account; `at` in seconds since 1970. `reason` gives details in a word or two."""

    at: int
    kind: str
    reason: str
    address: str
    user_agent: str
    session_id: str


class History(msgspec.Struct, frozen=True):
    """The account's events, newest first."""

    events: tuple[EventView, ...]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/me",
            handler=partial(me, core),
            auth=CALLER,
            summary="Get my account",
            answers={200: Me},
        ),
        Route(
            method="GET",
            path="/sessions",
            handler=partial(sessions, core),
            auth=CALLER,
            summary="List my sessions",
            answers={200: SignIns},
        ),
        Route(
            method="DELETE",
            path="/sessions/{id}",
            handler=partial(end_session, core),
            auth=CALLER,
            summary="End one of my sessions",
            answers={204: None},
            problems=("session_not_found",),
        ),
        Route(
            method="GET",
            path="/account/events",
            handler=partial(events, core),
            auth=CALLER,
            summary="List the events of my account",
            answers={200: History},
        ),
    )


async def me(core: Core, call: Call, _body: None) -> Response:
    """Answer with the caller's account."""
    user = call.caller.user
    return JsonResponse(me_of(user, await read_profile(core.database, user.id)))


def me_of(user: User, profile: UserProfile) -> Me:
    """What an account says to its user."""
    return Me(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        roles=application_roles(user.roles),
        created_at=int(user.created_at),
        name=profile.name,
        locale=profile.locale,
        metadata=profile.metadata,
    )


async def sessions(core: Core, call: Call, _body: None) -> Response:
    """Answer with the caller's active sessions."""
    caller = call.caller
    found = await read_sessions(core, caller.user.id)
    return JsonResponse(SignIns(tuple(_session_view(each, caller.session_id) for each in found)))


async def end_session(core: Core, call: Call, _body: None) -> Response:
    """End a session of the caller's."""
    await end_own_session(core.database, call, call.path_params["id"])
    return no_content()


async def events(core: Core, call: Call, _body: None) -> Response:
    """Answer with the caller's events."""
    return JsonResponse(History(tuple(map(_event_view, await read_events(core, call.caller.user.id)))))


def _event_view(event: Event) -> EventView:
    return EventView(
        at=int(event.at),
        kind=event.kind,
        reason=event.reason,
        address=event.address,
        user_agent=event.user_agent,
        session_id=event.session_id,
    )


def _session_view(found: SessionInUse, current_id: str) -> SessionView:
    session = found.session
    return SessionView(
        id=session.id,
        kind=session.kind,
        client_id=session.client_id,
        client_name=found.client_name,
        current=session.id == current_id,
        address=session.address,
        user_agent=session.user_agent,
        auth_time=int(session.auth_time),
        last_seen=int(found.last_seen),
        expires_at=int(session.expires_at),
    )
