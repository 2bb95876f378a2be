"""`/admin/users`: listing, making, changing and deleting people."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.texts import (
    LANGUAGES,
    Language,  # noqa: TC001 - msgspec reads the annotations
)
from gatepass.server.domain.accounts.profile import ProfileChanges
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.domain.accounts.user import UserFilter
from gatepass.server.domain.credentials.passwords.spellings import read_hash
from gatepass.server.domain.sessions.custom_claims import app_metadata_in_tokens
from gatepass.server.features.admin.people import Admin, UserChanges
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import PageQuery, cursor_of, key_of, rfc3339
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class UserResource(Confidential, frozen=True, kw_only=True):
    """A person. Times are RFC 3339; null where it has not happened."""

    id: str
    email: str
    email_verified: bool
    disabled: bool
    locked: bool
    roles: tuple[str, ...]
    created_at: datetime
    email_verified_at: datetime | None
    disabled_at: datetime | None


class UserDetail(UserResource, frozen=True, kw_only=True):
    """A person, and what the account says of them; `metadata` is what they edit, `app_metadata` what operators do."""

    name: str
    locale: str
    metadata: dict[str, Any]
    app_metadata: dict[str, Any]


class UserPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of people, by email address; `next` is the cursor of the following one, or null."""

    users: tuple[UserResource, ...]
    next: str | None


class UsersQuery(PageQuery, frozen=True, kw_only=True):
    """Which people."""

    search: Annotated[str, Meta(max_length=254, description="How the email address, the name or the id begins.")] = ""
    role: Annotated[str, Meta(description="A role that they have.")] | None = None
    organization: Annotated[str, Meta(description="The id of an organization that they belong to.")] | None = None
    disabled: Annotated[bool, Meta(description="Whether they are disabled.")] | None = None


class NewUser(ProfileChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new person. Without a password they set one by mail; `id` keeps the one that they have elsewhere.

    `password_hash` is one of another system, in a spelling that `gatepass user import` reads.

    `invite`: they are mailed a link to set a password, which works for 7 days; again, if they have not used theirs.
    """

    email: str
    password: str | None = None
    password_hash: str | None = None
    email_verified: bool = False
    roles: tuple[str, ...] = ()
    invite: bool = False
    language: Language = LANGUAGES[0]
    id: str | None = None


class ChangedUser(UserDetail, frozen=True, kw_only=True, omit_defaults=True):
    """The person as they are now, and the code that a new operator needs for the first factor, shown once."""

    enrollment_code: str | None = None


class AdminSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a person."""

    id: str
    kind: str
    client_id: str
    address: str
    user_agent: str
    auth_time: datetime
    last_seen: datetime
    expires_at: datetime


class AdminSessions(msgspec.Struct, frozen=True):
    """The live sessions of a person, most recently used first."""

    sessions: tuple[AdminSession, ...]


class FactorSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How many factors of each kind a person has."""

    passkeys: int
    totp: int
    recovery_codes: int


class FactorsRemoved(Confidential, frozen=True, kw_only=True):
    """How many sessions ended, and for an operator the code that the next first factor needs, shown once."""

    sessions_ended: int
    enrollment_code: str | None


_USER = "user_not_found"
_PROTECTED = "operator_protected"
_ONE = "/admin/users/{id}"


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="GET",
            path="/admin/users",
            handler=partial(list_users, core),
            auth=OPERATOR_READ,
            summary="List people, by how their address, name or id begins",
            query=UsersQuery,
            answers={200: UserPage},
        ),
        Route(
            method="POST",
            path="/admin/users",
            handler=partial(add_user, core),
            auth=OPERATOR_WRITE,
            summary="Add a person",
            body=NewUser,
            answers={201: UserResource},
            problems=(
                "invalid_email",
                "email_taken",
                "invalid_user_id",
                "user_id_deleted",
                "unknown_password_hash",
                "metadata_too_large",
                "invalid_role",
                "unknown_role",
                "mail_not_configured",
                "signup_denied",
                "hook_unavailable",
                *PASSWORD_PROBLEMS,
            ),
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show_user, core),
            auth=OPERATOR_READ,
            summary="Show a person",
            answers={200: UserDetail},
            problems=(_USER,),
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change_user, core),
            auth=OPERATOR_WRITE,
            summary="Change a person",
            body=UserChanges,
            answers={200: ChangedUser},
            problems=(
                _USER,
                _PROTECTED,
                "invalid_email",
                "email_taken",
                "invalid_role",
                "unknown_role",
                "signup_denied",
                "hook_unavailable",
                *PASSWORD_PROBLEMS,
            ),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(delete_user, core),
            auth=OPERATOR_WRITE,
            summary="Delete a person and all that is kept of them",
            answers={204: None},
            problems=(_USER, _PROTECTED),
        ),
        Route(
            method="GET",
            path=f"{_ONE}/sessions",
            handler=partial(list_sessions, core),
            auth=OPERATOR_READ,
            summary="List a person's sessions",
            answers={200: AdminSessions},
            problems=(_USER,),
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/sessions",
            handler=partial(end_sessions, core),
            auth=OPERATOR_WRITE,
            summary="Sign a person out everywhere",
            answers={204: None},
            problems=(_USER, _PROTECTED),
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/sessions/{{session_id}}",
            handler=partial(end_one_session, core),
            auth=OPERATOR_WRITE,
            summary="End one of a person's sessions",
            answers={204: None},
            problems=(_USER, _PROTECTED, "session_not_found"),
        ),
        Route(
            method="GET",
            path=f"{_ONE}/factors",
            handler=partial(show_factors, core),
            auth=OPERATOR_READ,
            summary="Count a person's factors",
            answers={200: FactorSummary},
            problems=(_USER,),
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/factors",
            handler=partial(remove_factors, core),
            auth=OPERATOR_WRITE,
            summary="Remove all factors of a person who has lost them",
            answers={200: FactorsRemoved},
            problems=(_USER, _PROTECTED),
        ),
    )


def people(core: Core, call: Call) -> Admin:
    """The acts, in the name of the caller."""
    return Admin(
        core.database,
        core.registration,
        core.list_keys,
        core.notices,
        idle_seconds=core.settings.session_idle_seconds,
        roles=core.roles,
        in_tokens=app_metadata_in_tokens(core.settings, has_plugins=bool(core.custom_claims.extra)),
        by=call.operator,
        where=call.origin,
    )


async def list_users(core: Core, call: Call, _body: None) -> Response:
    """Answer with a page; one more than asked for is read, to know whether another follows."""
    query = parse_query(call.request, UsersQuery)
    found = await people(core, call).page(
        UserFilter(
            search=query.search.strip().lower(),
            role=query.role,
            organization=query.organization,
            disabled=query.disabled,
            after=key_of(query.cursor),
            limit=query.limit + 1,
        )
    )
    shown = found[: query.limit]
    following = cursor_of(shown[-1].email) if len(found) > query.limit else None
    return JsonResponse(UserPage(users=tuple(map(_resource, shown)), next=following))


async def add_user(core: Core, call: Call, body: NewUser) -> Response:
    """Add one."""
    await core.roles.look(core.database)
    if body.invite:
        if (body.password, body.password_hash, body.id) != (None, None, None) or body.email_verified:
            raise Refusal("invalid_body", "Who is invited sets the password and proves the address: leave them out.")
        invited = await people(core, call).invite(body.email, body.roles, language=body.language, profile=body)
        return JsonResponse(_resource(invited), 201)
    if body.password is not None and body.password_hash is not None:
        raise Refusal("invalid_body", "Send `password` or `password_hash`.")
    user = await people(core, call).add(
        body.email,
        body.password,
        body.roles,
        is_verified=body.email_verified,
        user_id=body.id,
        password_hash=None if body.password_hash is None else read_hash(body.password_hash),
        profile=body,
    )
    return JsonResponse(_resource(user), 201)


async def show_user(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    shown = await people(core, call).show(call.path_params["id"])
    return JsonResponse(UserDetail(**asdict(_resource(shown.user)), **asdict(shown.profile)))


async def change_user(core: Core, call: Call, body: UserChanges) -> Response:
    """Change what is named, in one transaction."""
    await core.roles.look(core.database)
    changed = await people(core, call).change(call.path_params["id"], body)
    fields = asdict(_resource(changed.user)) | asdict(changed.profile)
    return JsonResponse(ChangedUser(**fields, enrollment_code=changed.enrollment_code))


async def delete_user(core: Core, call: Call, _body: None) -> Response:
    """Delete one."""
    await people(core, call).remove(call.path_params["id"])
    return no_content()


async def list_sessions(core: Core, call: Call, _body: None) -> Response:
    """Answer with the sessions."""
    shown = await people(core, call).show(call.path_params["id"])
    sessions = (
        AdminSession(
            id=each.session.id,
            kind=each.session.kind,
            client_id=each.session.client_id,
            address=each.session.address,
            user_agent=each.session.user_agent,
            auth_time=rfc3339(each.session.auth_time),
            last_seen=rfc3339(each.last_seen),
            expires_at=rfc3339(each.session.expires_at),
        )
        for each in shown.sessions
    )
    return JsonResponse(AdminSessions(tuple(sessions)))


async def end_sessions(core: Core, call: Call, _body: None) -> Response:
    """End all of them."""
    await people(core, call).logout(call.path_params["id"])
    return no_content()


async def end_one_session(core: Core, call: Call, _body: None) -> Response:
    """End one of them."""
    await people(core, call).end_session(call.path_params["id"], call.path_params["session_id"])
    return no_content()


async def show_factors(core: Core, call: Call, _body: None) -> Response:
    """Answer with the counts."""

    async def of(tx: Transaction, user: User) -> FactorSummary:
        found = await tx.factors.of(user.id)
        return FactorSummary(passkeys=found.passkeys, totp=found.totp, recovery_codes=found.recovery_codes)

    return JsonResponse(await people(core, call).read(call.path_params["id"], of))


async def remove_factors(core: Core, call: Call, _body: None) -> Response:
    """Remove all of them."""
    count, code = await people(core, call).reset_factors(call.path_params["id"])
    return JsonResponse(FactorsRemoved(sessions_ended=count, enrollment_code=code))


def _resource(user: User) -> UserResource:
    return UserResource(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        disabled=user.disabled_at is not None,
        locked=user.locked_at is not None,
        roles=user.roles,
        created_at=rfc3339(user.created_at),
        email_verified_at=None if user.email_verified_at is None else rfc3339(user.email_verified_at),
        disabled_at=None if user.disabled_at is None else rfc3339(user.disabled_at),
    )
