"""`gatepass user …`: manage users. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter
from msgspec.structs import asdict

from gatepass.cli.common import Place, open_admin
from gatepass.cli.events import result_events, result_json_lines
from gatepass.cli.output import Json, fail, result, result_json, result_table, say, time_in_words
from gatepass.cli.user_import import import_
from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.domain.accounts.user import OPERATOR_ROLE, UserFilter
from gatepass.server.features.admin.people import UserChanges

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.export import Exported
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.events.event import Event
    from gatepass.server.features.admin.account_changes import Roles
    from gatepass.server.features.admin.people import Changed, UserView

app = App(name="user", help="Add, show and change users.")
app.command(import_, name="import")

_HERE = Place()
_EVERYBODY = 10_000_000
_MANY_ROLES = 2_500
"""Total characters of a user's roles that make a token of about 4 KiB."""
_PATCH_DEPTH = 16
EventsJson = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON object per line, for programs.")
]


@app.command
def add(  # noqa: PLR0913 - the options of a command
    email: str,
    *,
    role: Annotated[tuple[str, ...], Parameter(help="A role; may be repeated.")] = (),
    verified: Annotated[
        bool, Parameter(negative="", help="The address is known to be the user's; it is not verified again.")
    ] = False,
    operator: Annotated[
        bool,
        Parameter(
            negative="", help="The user may administer this server; prints the code that the first factor needs."
        ),
    ] = False,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add a user. The password is prompted for, or read from the first line of standard input."""
    password = _new_password()

    async def work() -> tuple[User, str | None]:
        async with open_admin(place, must_exist=False) as admin:
            user = await admin.add(email, password, role, is_verified=verified)
            if not operator:
                return user, None
            changed = await admin.change(user.id, UserChanges(roles=(*role, OPERATOR_ROLE)))
            return changed.user, changed.enrollment_code

    user, code = asyncio.run(work())
    if json:
        result_json(_as_json(user) | ({"enrollment_code": code} if code else {}))
        return
    result(user.id)
    say(f"Added {user.email}.")
    _tell_code(code)


@app.command
def invite(
    email: str,
    *,
    role: Annotated[tuple[str, ...], Parameter(help="A role; may be repeated.")] = (),
    language: Annotated[str, Parameter(help="The language of the email, such as de.")] = "en",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add a user who sets their own password: a running server mails them a link, which works for 7 days."""

    async def work() -> User:
        async with open_admin(place, must_exist=False) as admin:
            return await admin.invite(email, role, language=language)

    user = asyncio.run(work())
    if json:
        result_json(_as_json(user))
    else:
        result(user.id)
        say(f"Invited {user.email}.")


@app.command(name="list")
def list_(
    *,
    search: Annotated[str, Parameter(help="How the email address or the id begins.")] = "",
    role: Annotated[str | None, Parameter(help="A role that they have.")] = None,
    organization: Annotated[str | None, Parameter(help="The id of an organization that they belong to.")] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """List users, by email address."""
    wanted = UserFilter(search=search.strip().lower(), role=role, organization=organization, limit=_EVERYBODY)

    async def work() -> list[tuple[User, Factors]]:
        async with open_admin(place) as admin:
            return await admin.page_with_factors(wanted)

    found = asyncio.run(work())
    if json:
        result_json([_as_json(user) | {"factors": list(factors.kinds)} for user, factors in found])
        return
    rows = [
        (
            user.id,
            user.email,
            _state(user),
            "yes" if user.email_verified_at else "no",
            " ".join(factors.kinds) or "-",
            " ".join(user.roles) or "-",
        )
        for user, factors in found
    ]
    result_table(("id", "email", "state", "verified", "factors", "roles"), rows)


@app.command
def show(email: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Show a user and their sessions."""
    shown = _show(place, email)
    if json:
        sessions = [
            {
                "id": each.session.id,
                "address": each.session.address,
                "user_agent": each.session.user_agent,
                "auth_time": int(each.session.auth_time),
                "last_seen": int(each.last_seen),
            }
            for each in shown.sessions
        ]
        result_json(_as_json(shown.user) | asdict(shown.profile) | {"sessions": sessions})
        return
    user = shown.user
    result(f"{user.email}  {user.id}")
    result(f"  state    {_state(user)}")
    result(f"  verified {'yes' if user.email_verified_at else 'no'}")
    result(f"  name     {shown.profile.name or '-'}")
    result(f"  roles    {' '.join(user.roles) or '-'}")
    result(f"  created  {time_in_words(user.created_at)}")
    result(f"  sessions {len(shown.sessions)}")
    for each in shown.sessions:
        result(f"    {each.session.id}  last seen {time_in_words(each.last_seen)}  {each.session.address}")


@app.command
def metadata(
    email: str,
    change: Annotated[
        str | None, Parameter(help="What changes, as a JSON object: null takes a member away [change nothing].")
    ] = None,
    *,
    own: Annotated[bool, Parameter(negative="", help="The metadata that the user edits, not app_metadata.")] = False,
    place: Place = _HERE,
) -> None:
    """Print a user's app_metadata, or change it (RFC 7396). Tokens that carry what changes die within a second."""
    if change is None:
        profile = _show(place, email).profile
    else:
        try:
            patch = decode_object(change.encode(), _PATCH_DEPTH)
        except (MalformedError, UnicodeEncodeError):
            fail("The change is not a JSON object.", """Write an object such as '{"plan": "pro"}'.""")
        changes = UserChanges(metadata=patch) if own else UserChanges(app_metadata=patch)
        profile = _change(place, email, changes).profile
    result_json(profile.metadata if own else profile.app_metadata)


@app.command
def disable(email: str, *, place: Place = _HERE) -> None:
    """Disable a user: end their sessions and refuse sign-in."""

    async def work() -> int:
        async with open_admin(place) as admin:
            return await admin.disable(email)

    say(f"Disabled {email}; {_sessions(asyncio.run(work()))} ended.")


@app.command
def enable(email: str, *, place: Place = _HERE) -> None:
    """Let a disabled user sign in again."""

    async def work() -> None:
        async with open_admin(place) as admin:
            await admin.enable(email)

    asyncio.run(work())
    say(f"Enabled {email}.")


@app.command
def verify(email: str, *, place: Place = _HERE) -> None:
    """Declare that the user's email address is known to be theirs."""
    _change(place, email, UserChanges(email_verified=True))
    say(f"The address {email} counts as verified.")


@app.command
def rename(
    email: str,
    new_email: str,
    *,
    verified: Annotated[bool, Parameter(negative="", help="The new address is known to be the user's.")] = False,
    place: Place = _HERE,
) -> None:
    """Change a user's email address. Links that were mailed to the former one no longer work."""
    changed = _change(place, email, UserChanges(email=new_email, email_verified=verified))
    say(f"{email} is {changed.user.email} now.")


@app.command
def export(email: str, *, place: Place = _HERE) -> None:
    """Print all that is kept of a user, as JSON."""

    async def work() -> Exported:
        async with open_admin(place) as admin:
            return await admin.export(email)

    result(msgspec.json.encode(asyncio.run(work())).decode())


@app.command
def delete(
    email: str,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    place: Place = _HERE,
) -> None:
    """Delete a user and all that is kept of them. Their tokens die within a second; nothing brings them back."""
    if not yes:
        if not sys.stdin.isatty():
            fail("Deleting a user cannot be undone.", f"gatepass user delete {email} --yes")
        if input(f"Delete {email} and all that is kept of them? Type the address: ") != email:
            fail("Nothing was deleted.", "Type the address exactly, or give --yes.")

    async def work() -> None:
        async with open_admin(place) as admin:
            await admin.remove(email)

    asyncio.run(work())
    say(f"Deleted {email}.")


@app.command(name="role")
def role_(
    email: str,
    role: str,
    *,
    remove: Annotated[bool, Parameter(negative="", help="Remove the role instead of adding it.")] = False,
    place: Place = _HERE,
) -> None:
    """Add a role to a user, or remove it."""

    async def work() -> Roles:
        async with open_admin(place) as admin:
            return await admin.set_role(email, role, has=not remove)

    changed = asyncio.run(work())
    roles = changed.roles
    if changed.enrollment_code is not None:
        say("Every session and factor from before is gone.")
    _tell_code(changed.enrollment_code)
    say(f"{email} has the roles: {' '.join(roles) or 'none'}.")
    if sum(map(len, roles)) > _MANY_ROLES:
        say(
            "warning: so many roles make large tokens; a token of over 7 KiB is not issued, so the user cannot sign in."
        )


@app.command
def password(email: str, *, place: Place = _HERE) -> None:
    """Set a user's password, and end their sessions. It is prompted for, or read from standard input."""
    new = _new_password()

    async def work() -> int:
        async with open_admin(place) as admin:
            return await admin.set_password(email, new)

    say(f"Password set; {_sessions(asyncio.run(work()))} ended.")


@app.command(name="reset-factors")
def reset_factors(email: str, *, place: Place = _HERE) -> None:
    """Remove all second factors and passkeys of a user who has lost them, and end their sessions."""

    async def work() -> tuple[int, str | None]:
        async with open_admin(place) as admin:
            return await admin.reset_factors(email)

    count, code = asyncio.run(work())
    say(f"{email} signs in without a second factor; {_sessions(count)} ended.")
    _tell_code(code)


@app.command
def logout(email: str, *, place: Place = _HERE) -> None:
    """End all sessions of a user."""

    async def work() -> int:
        async with open_admin(place) as admin:
            return await admin.logout(email)

    say(f"{_sessions(asyncio.run(work()))} ended.")


@app.command
def events(email: str, *, json: EventsJson = False, place: Place = _HERE) -> None:
    """Print the events of a user's account, oldest first."""

    async def work() -> list[Event]:
        async with open_admin(place) as admin:
            return await admin.events_of(email)

    (result_json_lines if json else result_events)(asyncio.run(work()))


def _new_password() -> str:
    """Prompt twice on a terminal; otherwise read the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("New password: ")
    if getpass.getpass("Confirm password: ") != first:
        fail("The two passwords differ.", "Enter the same password twice.")
    return first


def _show(place: Place, email: str) -> UserView:
    async def work() -> UserView:
        async with open_admin(place) as admin:
            return await admin.show(email)

    return asyncio.run(work())


def _change(place: Place, email: str, changes: UserChanges) -> Changed:
    async def work() -> Changed:
        async with open_admin(place) as admin:
            return await admin.change(email, changes)

    return asyncio.run(work())


def _tell_code(code: str | None) -> None:
    """Print the code of a new operator, once; enrolling the first factor takes it."""
    if code is not None:
        say("The first factor of this operator needs this code, which works once and is not shown again:")
        result(code)


def _state(user: User) -> str:
    return "active" if user.disabled_at is None else "disabled"


def _sessions(count: int) -> str:
    return f"{count} session" + ("" if count == 1 else "s")


def _as_json(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified_at is not None,
        "state": _state(user),
        "roles": list(user.roles),
        "created_at": int(user.created_at),
    }
