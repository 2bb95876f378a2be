"""Administration of users, by the command line and by the operators' API; each operation is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.errors import Refusal
from gatepass.server.base.texts import LANGUAGES
from gatepass.server.domain.accounts.profile import ProfileChanges, UserProfile
from gatepass.server.domain.accounts.role_table import RoleTable
from gatepass.server.domain.accounts.user import (
    OPERATOR_ROLE,
    User,  # noqa: TC001 - msgspec reads the annotations
    check_role,
    normalise_email,
)
from gatepass.server.domain.credentials.factors import NO_FACTORS
from gatepass.server.domain.credentials.one_time_code import Code
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.mail.notices import INVITATION_SECONDS
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.operator import COMMAND_LINE
from gatepass.server.features.admin.account_changes import AccountChanges
from gatepass.server.features.admin.imports.move_in import RolledBack, move_in, undo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from gatepass.server.domain.accounts.export import Exported
    from gatepass.server.domain.accounts.imports import ImportedUser
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.accounts.user import UserFilter
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.events.event import Event, Origin
    from gatepass.server.domain.hooks.requests import SignupMethod
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.operator import Operator
    from gatepass.server.domain.sessions.session import SessionInUse
    from gatepass.server.features.admin.account_changes import Roles


T = TypeVar("T")
NO_TABLE = RoleTable({})
NO_PROFILE = ProfileChanges()


class UserView(msgspec.Struct, frozen=True):
    """A user and their sessions."""

    user: User
    profile: UserProfile
    sessions: list[SessionInUse]


class UserChanges(ProfileChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a person (RFC 7396): what is left out stays.

    A changed address is unverified, unless `email_verified` says otherwise. Roles replace the former ones. Roles that
    are taken away, and `app_metadata` that changes, die in live tokens too. A new password, and disabling, end every
    session.
    """

    email: str | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    roles: tuple[str, ...] | UnsetType = UNSET
    password: str | UnsetType = UNSET


class Changed(msgspec.Struct, frozen=True):
    """The user as they are now, and the code that a new operator needs for the first factor."""

    user: User
    profile: UserProfile
    enrollment_code: str | None = None

    def __repr__(self) -> str:
        """Without the code."""
        return f"Changed(user={self.user!r})"


class Admin:
    """Operations on users, who are named by email address or id. A missing one is refused as `user_not_found`.

    Args:
        database: The store.
        registration: Creates accounts.
        lists: The keys of status lists.
        notices: Puts mails into the queue, which a running server sends.
        idle_seconds: How long a session lives without use.
        roles: The roles that can be given.
        in_tokens: The paths in `app_metadata` that live tokens may carry.
        by: Who administers. A client does not change operators: `operator_protected`.
        where: Where the request came from.
    """

    def __init__(  # noqa: PLR0913 - who does it, from where, and what with
        self,
        database: Database,
        registration: Registration,
        lists: ListKeys,
        notices: Notices,
        *,
        idle_seconds: float,
        roles: RoleTable = NO_TABLE,
        in_tokens: Collection[tuple[str, ...]] = (),
        by: Operator = COMMAND_LINE,
        where: Origin = NOWHERE,
    ) -> None:
        self._database = database
        self._registration = registration
        self._notices = notices
        self._idle_seconds = idle_seconds
        self._changes = AccountChanges(by, where, lists, roles, in_tokens)

    async def add(  # noqa: PLR0913 - what an account is made of
        self,
        email: str,
        password: str | None,
        roles: tuple[str, ...] = (),
        *,
        is_verified: bool = False,
        user_id: str | None = None,
        method: SignupMethod = "operator",
        password_hash: str | None = None,
        profile: ProfileChanges = NO_PROFILE,
    ) -> User:
        """Create an account; without a password, its owner sets one by mail. `password_hash` is in our stored format.

        Raises:
            Refusal: as `Registration.add`, `invalid_role`, `unknown_role`, or `metadata_too_large`.
        """
        checked = tuple(map(check_role, roles))
        self.check_roles(checked)
        described = profile.applied_to(UserProfile())
        if isinstance(described, Refusal):
            raise described
        return await self._registration.add(
            email,
            password,
            checked,
            by=self._changes.by.id,
            is_verified=is_verified,
            user_id=user_id,
            where=self._changes.where,
            method=method,
            password_hash=password_hash,
            profile=None if described == UserProfile() else described,
        )

    async def invite(
        self,
        email: str,
        roles: tuple[str, ...] = (),
        *,
        language: str = LANGUAGES[0],
        profile: ProfileChanges = NO_PROFILE,
    ) -> User:
        """Create an account, and mail its owner a link to set a password; again for one who has not used theirs.

        An account that is there already stays as it is.

        Raises:
            Refusal: `mail_not_configured`, `invalid_body` for an unknown language, or as `add`.
        """
        self._notices.require()
        self._notices.check_language(language)
        waiting = await self._waiting(normalise_email(email))
        user = waiting or await self.add(email, None, roles, method="invitation", profile=profile)
        link = self._notices.mail_link("reset")

        async def unit(tx: Transaction) -> Refusal | None:
            now = await tx.users.by_id(user.id)
            if now is None:
                return not_found(email)
            if refused := self._changes.by.check_may_change(now):
                return refused
            await tx.codes.forget_openers(user.id)
            await tx.codes.add(
                Code(
                    digest=link.digest,
                    purpose="reset",
                    user_id=user.id,
                    email=user.email,
                    expires_at=tx.now + INVITATION_SECONDS,
                )
            )
            notice = Notice(
                kind="invitation", to=user.email, language=language, link=link.url, seconds=INVITATION_SECONDS
            )
            await self._notices.send(tx, notice, user_id=user.id)
            await record(tx, "invited", user.id, actor=self._changes.by.id, where=self._changes.where)
            return None

        await decide(self._database, unit)
        return user

    async def _waiting(self, address: str) -> User | None:
        """The user of this address, if an operator made the account and nobody has ever opened it."""

        async def unit(tx: Transaction) -> User | None:
            user = await tx.users.by_email(address)
            if user is None or user.origin != "operator" or user.email_verified_at is not None:
                return None
            is_open = await tx.passwords.of(user.id) is not None or (await tx.factors.of(user.id)).are_asked
            return None if is_open else user

        return await self._database.read(unit)

    def check_roles(self, roles: Sequence[str]) -> None:
        """Raises Refusal: `unknown_role`, where there is a table of roles."""
        if refused := self._changes.roles.unknown(roles):
            raise refused

    async def import_users(self, imported: Sequence[ImportedUser], *, is_dry: bool = False) -> list[Refusal | None]:
        """Create accounts for imported users; returns for each why there is none. A dry run writes nothing."""

        async def unit(tx: Transaction) -> list[Refusal | None]:
            outcomes = [await move_in(tx, user, actor=self._changes.by.id) for user in imported]
            if is_dry:
                undo(outcomes)
            return outcomes

        try:
            return await self._database.transaction(unit)
        except RolledBack as dry:
            return dry.outcomes

    async def page(self, users: UserFilter) -> list[User]:
        """Some users, by email address."""

        async def unit(tx: Transaction) -> list[User]:
            return await tx.users.page(users)

        return await self._database.read(unit)

    async def page_with_factors(self, users: UserFilter) -> list[tuple[User, Factors]]:
        """Some users, by email address, with their second factors."""

        async def unit(tx: Transaction) -> list[tuple[User, Factors]]:
            factors = await tx.factors.by_user()
            return [(user, factors.get(user.id, NO_FACTORS)) for user in await tx.users.page(users)]

        return await self._database.read(unit)

    async def show(self, who: str) -> UserView:
        """One user and their sessions."""

        async def of(tx: Transaction, user: User) -> UserView:
            profile = await tx.profiles.of(user.id)
            return UserView(
                user, profile, await tx.sessions.live_of(user.id, now=tx.now, idle_seconds=self._idle_seconds)
            )

        return await self.read(who, of)

    async def change(self, who: str, changes: UserChanges) -> Changed:  # noqa: C901 - a flat list of what may change
        """Change what is named, all of it or nothing.

        Raises:
            Refusal: `invalid_email`, `email_taken`, `invalid_role`, `unknown_role`, `metadata_too_large`, as
                `Registration.hash` for the password, or `operator_protected` when a client makes an operator.
        """
        address = UNSET if changes.email is UNSET else normalise_email(changes.email)
        _check_roles(() if changes.roles is UNSET else changes.roles)
        password_hash = None
        if changes.password is not UNSET:
            password_hash = await self._hash(who, changes.password)

        async def act(tx: Transaction, user: User) -> Changed | Refusal:
            # What could be refused comes first, so that nothing is written by then.
            profile = changes.applied_to(await tx.profiles.of(user.id))
            if isinstance(profile, Refusal):
                return profile
            if changes.roles is not UNSET and (refused := self._changes.check_roles(user, changes.roles)):
                return refused
            email = user.email if address is UNSET else address
            is_verified = email == user.email and user.email_verified_at is not None
            if changes.email_verified is not UNSET:
                is_verified = changes.email_verified
            if refused := await self._changes.set_email(tx, user, email, is_verified=is_verified):
                return refused
            code = None
            if changes.roles is not UNSET:
                given = await self._changes.set_roles(tx, user, changes.roles)
                if isinstance(given, Refusal):
                    return given
                code = given.enrollment_code
            if password_hash is not None:
                await self._changes.set_password(tx, user, password_hash)
            if changes.disabled is not UNSET and changes.disabled != (user.disabled_at is not None):
                await (self._changes.disable(tx, user) if changes.disabled else self._changes.enable(tx, user))
            await self._changes.set_profile(tx, user, profile)
            return Changed(await tx.users.by_id(user.id) or user, profile, code)

        return await self._change(who, act)

    async def disable(self, who: str) -> int:
        """Disable the user, and end their sessions; return how many."""
        return await self._change(who, self._changes.disable)

    async def enable(self, who: str) -> None:
        """Enable the user."""
        await self._change(who, self._changes.enable)

    async def set_role(self, who: str, role: str, *, has: bool) -> Roles:
        """Add or remove a role; see `AccountChanges.set_roles`.

        Raises:
            Refusal: `invalid_role`, or `unknown_role`.
        """
        _check_roles((role,))

        async def act(tx: Transaction, user: User) -> Roles | Refusal:
            others = {each for each in user.roles if each != role}
            return await self._changes.set_roles(tx, user, others | {role} if has else others)

        return await self._change(who, act)

    async def set_password(self, who: str, password: str) -> int:
        """Set a new password, and end the user's sessions; return how many."""
        password_hash = await self._hash(who, password)

        async def act(tx: Transaction, user: User) -> int:
            return await self._changes.set_password(tx, user, password_hash)

        return await self._change(who, act)

    async def reset_factors(self, who: str) -> tuple[int, str | None]:
        """See `AccountChanges.reset_factors`."""
        return await self._change(who, self._changes.reset_factors)

    async def logout(self, who: str) -> int:
        """End the user's sessions; return how many."""

        async def act(tx: Transaction, user: User) -> int:
            return await self._changes.end_sessions(tx, user, "logged_out_by_admin")

        return await self._change(who, act)

    async def end_session(self, who: str, session_id: str) -> None:
        """End one of the user's sessions.

        Raises:
            Refusal: `session_not_found`.
        """

        async def act(tx: Transaction, user: User) -> Refusal | None:
            return await self._changes.end_session(tx, user, session_id)

        await self._change(who, act)

    async def export(self, who: str) -> Exported:
        """Everything that is kept of the user."""
        return await self._act(who, self._changes.export)

    async def disconnect(self, who: str, client_id: str) -> None:
        """Withdraw the user's consent to an application, and end what it has.

        Raises:
            Refusal: `consent_not_found`.
        """

        async def act(tx: Transaction, user: User) -> Refusal | None:
            return await self._changes.disconnect(tx, user, client_id)

        await self._change(who, act)

    async def remove(self, who: str) -> None:
        """Delete the account and all its data."""
        await self._change(who, self._changes.remove)

    async def events_of(self, who: str) -> list[Event]:
        """A user's events, oldest first."""

        async def of(tx: Transaction, user: User) -> list[Event]:
            return list(await tx.events.after("", user_id=user.id))

        return await self.read(who, of)

    async def events_after(self, event_id: str) -> Sequence[Event]:
        """A page of events after an event, oldest first."""

        async def unit(tx: Transaction) -> Sequence[Event]:
            return await tx.events.after(event_id)

        return await self._database.read(unit)

    async def read(self, who: str, of: Callable[[Transaction, User], Awaitable[T]]) -> T:
        """Read what there is of a user."""
        find = _finder(who)

        async def unit(tx: Transaction) -> T | None:
            user = await find(tx)
            return None if user is None else await of(tx, user)

        found = await self._database.read(unit)
        if found is None:
            raise not_found(who)
        return found

    async def _act(self, who: str, act: Callable[[Transaction, User], Awaitable[T]]) -> T:
        """Do something about a user that changes nothing of theirs."""
        find = _finder(who)

        async def unit(tx: Transaction) -> T | Refusal:
            user = await find(tx)
            return not_found(who) if user is None else await act(tx, user)

        return await decide(self._database, unit)

    async def _change(self, who: str, act: Callable[[Transaction, User], Awaitable[T | Refusal]]) -> T:
        """Change something of a user, if the operator may."""
        find = _finder(who)

        async def unit(tx: Transaction) -> T | Refusal:
            user = await find(tx)
            if user is None:
                return not_found(who)
            return self._changes.by.check_may_change(user) or await act(tx, user)

        return await decide(self._database, unit)

    async def _hash(self, who: str, password: str) -> str:
        email = (await self.show(who)).user.email
        return await self._registration.hash(password, email=email)


def _check_roles(roles: Sequence[str]) -> None:
    """Raises Refusal: `invalid_role`."""
    for role in roles:
        if role != OPERATOR_ROLE:
            check_role(role)


def _finder(who: str) -> Callable[[Transaction], Awaitable[User | None]]:
    """How to find a user by address or id; an id has no @."""
    if "@" not in who:
        name = who if who.isprintable() else ""  # not every database takes other text
        return lambda tx: tx.users.by_id(name)
    address = normalise_email(who)
    return lambda tx: tx.users.by_email(address)


def not_found(who: str) -> Refusal:
    """The refusal where no user has the address or id."""
    return Refusal("user_not_found", f"No user has this {'email address' if '@' in who else 'id'}.")
