"""What a person changes about their account: address, password, all of it taken away or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.linked_identity import Identity  # noqa: TC001 - as above
from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.domain.accounts.user import User, normalise_email  # noqa: TC001 - as above
from gatepass.server.domain.credentials.one_time_code import Code, digest_of
from gatepass.server.domain.events.event import Event  # noqa: TC001 - msgspec reads the annotations of an answer
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.letter import Letter
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.revoke import end_sessions_of, replace_password
from gatepass.server.domain.sessions.session import Session  # noqa: TC001 - as above
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class ChangeEmailRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The new address."""

    email: str


class EmailAsked(msgspec.Struct, frozen=True):
    """A mail is under way to the new address."""

    email: str


class ConfirmEmailRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the mail's link."""

    token: str


class ChangePasswordRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The new password."""

    password: str


class Exported(Confidential, frozen=True, kw_only=True):
    """All that is kept of a person; times in seconds since 1970."""

    account: User
    sessions: list[Session]
    identities: list[Identity]
    events: list[Event]


class EmailForm(PageForm, frozen=True, kw_only=True):
    """The form for another address."""

    email: str = ""


class ConfirmForm(PageForm, frozen=True, kw_only=True):
    """The page that a mail's link leads to."""

    token: str = ""


class PasswordForm(PageForm, frozen=True, kw_only=True):
    """The form for another password."""

    password: str = ""


class DeleteForm(PageForm, frozen=True, kw_only=True):
    """The form that deletes the account."""


class ProfileChanges:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._registration = core.registration
        self._notices = core.notices
        self._browser = core.browser
        self._rules = core.rules
        self._throttle = core.mail_throttle
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        return (
            Route(
                method="POST",
                path="/account/email",
                handler=self.change_email,
                auth=RECENT,
                summary="Ask for another e-mail address, or to verify the one that there is",
                body=ChangeEmailRequest,
                answers={202: EmailAsked},
                problems=("invalid_email", "email_domain_not_allowed", "too_many_attempts", "mail_not_configured"),
            ),
            Route(
                method="POST",
                path="/account/email/confirm",
                handler=self.confirm_email,
                auth=CALLER,
                summary="Confirm an address with the mail's token",
                body=ConfirmEmailRequest,
                answers={204: None},
                problems=("invalid_code",),
            ),
            Route(
                method="POST",
                path="/account/password",
                handler=self.change_password,
                auth=RECENT,
                summary="Set another password, and end all other sessions",
                body=ChangePasswordRequest,
                answers={204: None},
                problems=PASSWORD_PROBLEMS,
            ),
            Route(
                method="GET",
                path="/account/export",
                handler=self.export,
                auth=RECENT,
                summary="All that is kept of me",
                answers={200: Exported},
            ),
            Route(
                method="DELETE",
                path="/account",
                handler=self.delete,
                auth=RECENT,
                summary="Delete my account",
                answers={204: None},
            ),
            page("/pages/account/email", self.show_email, RECENT),
            page_form("/pages/account/email", self.submit_email, EmailForm, RECENT, show=self.show_email),
            page("/pages/account/email/confirm", self.show_confirm, CALLER),
            page_form("/pages/account/email/confirm", self.submit_confirm, ConfirmForm, CALLER, show=self.show_confirm),
            page("/pages/account/password", self.show_password, RECENT),
            page_form("/pages/account/password", self.submit_password, PasswordForm, RECENT, show=self.show_password),
            page("/pages/account/export", self.show_export, RECENT),
            page("/pages/account/delete", self.show_delete, RECENT),
            page_form("/pages/account/delete", self.submit_delete, DeleteForm, RECENT),
        )

    # ── JSON ──

    async def change_email(self, call: Call, body: ChangeEmailRequest) -> Response:
        """Mail the new address; nothing is changed before it answers."""
        user = call.caller.user
        return JsonResponse(EmailAsked(await self._ask(call, user, body.email)), 202)

    async def confirm_email(self, call: Call, body: ConfirmEmailRequest) -> Response:
        """Change the address."""
        user = call.caller.user
        await self._confirm(call, user, body.token)
        return no_content()

    async def change_password(self, call: Call, body: ChangePasswordRequest) -> Response:
        """Change the password."""
        caller = call.caller
        await self._set_password(call, caller.user, caller.session_id, body.password)
        return no_content()

    async def export(self, call: Call, _body: None) -> Response:
        """Answer with everything."""
        user = call.caller.user
        return JsonResponse(await self._export(call, user))

    async def delete(self, call: Call, _body: None) -> Response:
        """Delete everything."""
        user = call.caller.user
        await self._delete(call, user)
        return no_content()

    # ── pages ──

    async def show_email(self, call: Call, form: EmailForm | None, error: GatepassError | None = None) -> Response:
        """Show the form."""
        email = call.caller.user.email if form is None else form.email
        action = self._pages.path("account/email")
        return self._pages.page(
            call.request, "ask_email.html", error=error, key="email_change", action=action, email=email
        )

    async def submit_email(self, call: Call, form: EmailForm) -> Response:
        """Mail the new address."""
        caller = call.caller
        email = await self._ask(call, caller.user, form.email)
        return self._pages.message(
            call.request, "email_change_sent", next_path=self._pages.path("account"), email=email
        )

    async def show_confirm(self, call: Call, form: ConfirmForm | None, error: GatepassError | None = None) -> Response:
        """Show a button, to who is signed in."""
        token = call.query.get("token", "") if form is None else form.token
        action = self._pages.path("account/email/confirm")
        return self._pages.page(
            call.request, "confirm.html", error=error, key="email_confirm", action=action, token=token, field=None
        )

    async def submit_confirm(self, call: Call, form: ConfirmForm) -> Response:
        """Change the address."""
        caller = call.caller
        await self._confirm(call, caller.user, form.token)
        return self._pages.go_to(self._pages.path("account"))

    async def show_password(
        self, call: Call, _form: PasswordForm | None, error: GatepassError | None = None
    ) -> Response:
        """Show the form."""
        return self._pages.page(
            call.request,
            "confirm.html",
            error=error,
            key="password",
            action=self._pages.path("account/password"),
            token="",
            field="new_password",
            min_length=self._settings.password_min_length,
        )

    async def submit_password(self, call: Call, form: PasswordForm) -> Response:
        """Change the password."""
        caller = call.caller
        await self._set_password(call, caller.user, caller.session_id, form.password)
        return self._pages.message(call.request, "password_set", next_path=self._pages.path("account"))

    async def show_export(self, call: Call, _body: None) -> Response:
        """Hand out everything as a file."""
        caller = call.caller
        response = JsonResponse(await self._export(call, caller.user))
        response.headers["content-disposition"] = 'attachment; filename="account.json"'
        return response

    async def show_delete(self, call: Call, _body: None) -> Response:
        """Ask once more."""
        action = self._pages.path("account/delete")
        return self._pages.page(call.request, "confirm.html", key="delete", action=action, token="", field=None)

    async def submit_delete(self, call: Call, _form: DeleteForm) -> Response:
        """Delete everything, and forget the browser's cookie."""
        caller = call.caller
        await self._delete(call, caller.user)
        response = self._pages.message(call.request, "deleted")
        self._browser.clear_cookie(call.request, response)
        return response

    # ── what both do ──

    async def _ask(self, call: Call, user: User, email: str) -> str:
        """Mail a link to the new address; where it is somebody else's, tell that one instead."""
        self._notices.require()
        address, where = normalise_email(email), call.origin
        if address != user.email:
            self._rules.check_domain(address)
        attempt = self._throttle.attempt("change_email", address, where)
        link, language = self._notices.mail_link("change_email"), call.language

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            await self._throttle.failed(tx, attempt)
            other = await tx.users.by_email(address)
            is_free = other is None or other.id == user.id
            await tx.codes.add(
                Code(
                    digest=link.digest,
                    purpose="change_email" if is_free else "nothing",
                    user_id=user.id,
                    email=address,
                    expires_at=tx.now + self._settings.mail_link_seconds,
                )
            )
            letter = Letter(
                kind="email_change" if is_free else "email_taken",
                to=address,
                language=language,
                link=link.url if is_free else "",
            )
            await self._notices.send(tx, letter, user_id=user.id)
            await record(tx, "email_change_asked", user.id, where=where)
            return None

        await decide(self._database, unit)
        return address

    async def _confirm(self, call: Call, user: User, token: str) -> None:
        """Take the new address, by the account that asked only; and tell the old one, which can lock the account."""
        where, language = call.origin, call.language

        async def unit(tx: Transaction) -> Refusal | None:
            code = await tx.codes.look(digest_of(token), "change_email", tx.now)
            if code is None or code.user_id != user.id:
                return _invalid_code()
            await tx.codes.use(code.digest, "change_email", tx.now)
            if not await tx.users.set_email(user.id, code.email, tx.now):
                return _invalid_code()
            if code.email == user.email:
                await record(tx, "email_verified", user.id, where=where)
                return None
            await record(tx, "email_changed", user.id, where=where)
            # Only the old address can lock the account and take it back: the new one may be a thief's.
            await self._notices.warn(tx, "email_changed", user, language=language, email=code.email)
            notice = Letter(kind="email_changed", to=code.email, language=language, values={"email": code.email})
            await self._notices.send(tx, notice, user_id=user.id)
            return None

        await decide(self._database, unit)

    async def _set_password(self, call: Call, user: User, session_id: str, password: str) -> None:
        """Set another password; every other session ends."""

        async def look(tx: Transaction) -> bool:
            return (await tx.factors.of(user.id)).are_asked

        has_factor = await self._database.read(look)
        password_hash = await self._registration.hash(password, email=user.email, has_factor=has_factor)
        where, language = call.origin, call.language

        async def unit(tx: Transaction) -> Refusal | None:
            if refused := await check_still(tx, user, session_id):
                return refused
            await replace_password(tx, user.id, password_hash, is_short=self._registration.is_short(password))
            await tx.codes.forget_openers(user.id)
            await end_sessions_of(tx, user.id, "password_changed", where=where, keep=session_id)
            await record(tx, "password_changed", user.id, where=where)
            await self._notices.warn(tx, "password_changed", user, language=language)
            return None

        await decide(self._database, unit)

    async def _export(self, call: Call, user: User) -> Exported:
        where = call.origin

        async def unit(tx: Transaction) -> Exported:
            await record(tx, "data_exported", user.id, where=where)
            sessions = await tx.sessions.all_of(user.id)
            identities = await tx.identities.of(user.id)
            events = await _all_events(tx, user.id)
            return Exported(account=user, sessions=sessions, identities=identities, events=events)

        return await self._database.transaction(unit)

    async def _delete(self, call: Call, user: User) -> None:
        """End everything, remove everything, say goodbye; what stays is that an account was deleted."""
        where, language = call.origin, call.language

        async def unit(tx: Transaction) -> None:
            await end_sessions_of(tx, user.id, "account_deleted", where=where)
            await erase(tx, user.id)
            await record(tx, "account_deleted")
            await self._notices.send(tx, Letter(kind="account_deleted", to=user.email, language=language))

        await self._database.transaction(unit)


async def _all_events(tx: Transaction, user_id: str) -> list[Event]:
    events: list[Event] = []
    last = ""
    while page := await tx.events.after(last, user_id=user_id):
        events += page
        last = page[-1].id
    return events


def _invalid_code() -> Refusal:
    return Refusal("invalid_code", "The link is wrong, too old, used, or for another account.")
