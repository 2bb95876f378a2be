"""The ways back in: a new password by mail, and the link that locks an account down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.ownership import prove_address
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.credentials.one_time_code import Code, digest_of
from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.letter import Letter
from gatepass.server.domain.mail.notices import LOCK_SECONDS
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import disconnect_all, end_sessions_of, replace_password, take_back_factors
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class ForgottenRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Whose password is forgotten."""

    email: str


class MailSent(msgspec.Struct, frozen=True):
    """A mail is under way, if there is such an account."""

    email: str


class ResetRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the mail's link, and the new password."""

    token: str
    password: str


class LockRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the link "this wasn't me"."""

    token: str


class ForgottenForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""


class ResetForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    token: str = ""
    password: str = ""


class LockForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    token: str = ""


class Recovery:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._registration = core.registration
        self._notices = core.notices
        self._throttle = core.mail_throttle
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        password_problems = ("invalid_code", *PASSWORD_PROBLEMS)
        return (
            Route(
                method="POST",
                path="/password/forgotten",
                handler=self.forgotten,
                auth=ANYONE,
                summary="Have a link mailed that sets a new password",
                body=ForgottenRequest,
                answers={202: MailSent},
                problems=("invalid_email", "too_many_attempts", "mail_not_configured"),
            ),
            Route(
                method="POST",
                path="/password/reset",
                handler=self.reset,
                auth=ANYONE,
                summary="Set a new password with the mail's token, and end all sessions",
                body=ResetRequest,
                answers={204: None},
                problems=password_problems,
            ),
            Route(
                method="POST",
                path="/account/lock",
                handler=self.lock,
                auth=ANYONE,
                summary="Lock an account down: this wasn't me",
                body=LockRequest,
                answers={204: None},
                problems=("invalid_code",),
            ),
            page("/pages/forgotten", self.show_forgotten, ANYONE),
            page_form("/pages/forgotten", self.submit_forgotten, ForgottenForm, ANYONE, show=self.show_forgotten),
            page("/pages/reset", self.show_reset, ANYONE),
            page_form("/pages/reset", self.submit_reset, ResetForm, ANYONE, show=self.show_reset),
            page("/pages/lock", self.show_lock, ANYONE),
            page_form("/pages/lock", self.submit_lock, LockForm, ANYONE, show=self.show_lock),
        )

    # ── JSON ──

    async def forgotten(self, call: Call, body: ForgottenRequest) -> Response:
        """Send the mail; the answer is the same whether or not there is such an account."""
        email = await self._send_link(call, body.email)
        return JsonResponse(MailSent(email), 202)

    async def reset(self, call: Call, body: ResetRequest) -> Response:
        """Set the password."""
        await self._reset(call, body.token, body.password)
        return no_content()

    async def lock(self, call: Call, body: LockRequest) -> Response:
        """Lock the account."""
        await self._lock(call, body.token)
        return no_content()

    # ── pages ──

    async def show_forgotten(
        self, call: Call, form: ForgottenForm | None, error: GatepassError | None = None
    ) -> Response:
        """Show the form."""
        email, action = form.email if form is not None else "", self._pages.path("forgotten")
        return self._pages.page(
            call.request, "ask_email.html", error=error, key="forgotten", action=action, email=email, return_to=""
        )

    async def submit_forgotten(self, call: Call, form: ForgottenForm) -> Response:
        """Send the mail, and say to look for it."""
        await self._send_link(call, form.email)
        return self._pages.message(call.request, "forgotten_sent")

    async def show_reset(self, call: Call, form: ResetForm | None, error: GatepassError | None = None) -> Response:
        """Show the form; whether the link is good shows when it is sent."""
        return self._pages.page(
            call.request,
            "confirm.html",
            error=error,
            key="reset",
            action=self._pages.path("reset"),
            token=call.query.get("token", "") if form is None else form.token,
            field="new_password",
            min_length=self._settings.password_min_length,
        )

    async def submit_reset(self, call: Call, form: ResetForm) -> Response:
        """Set the password."""
        await self._reset(call, form.token, form.password)
        return self._pages.message(call.request, "reset_done", next_path=self._pages.path("login"))

    async def show_lock(self, call: Call, form: LockForm | None, error: GatepassError | None = None) -> Response:
        """Show a button: programs that look through mail follow links, and press none."""
        token = call.query.get("token", "") if form is None else form.token
        action = self._pages.path("lock")
        return self._pages.page(
            call.request, "confirm.html", error=error, key="lock", action=action, token=token, field=None
        )

    async def submit_lock(self, call: Call, form: LockForm) -> Response:
        """Lock the account."""
        await self._lock(call, form.token)
        return self._pages.message(call.request, "locked", next_path=self._pages.path("forgotten"))

    # ── what both do ──

    async def _send_link(self, call: Call, email: str) -> str:
        """Mail a link to whoever has this address; to nobody at the same cost. Return the address as we spell it."""
        self._notices.require()
        address = normalise_email(email)
        where, language = call.origin, call.language
        attempt = self._throttle.attempt("reset", address, where)
        link = self._notices.mail_link("reset")

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            await self._throttle.failed(tx, attempt)
            user = await tx.users.by_email(address)
            is_somebody = user is not None and user.disabled_at is None
            user_id = user.id if user is not None else ""
            await tx.codes.add(
                Code(
                    digest=link.digest,
                    purpose="reset" if is_somebody else "nothing",
                    user_id=user_id,
                    email=address,
                    expires_at=tx.now + self._settings.mail_link_seconds,
                )
            )
            letter = Letter(
                kind="reset",
                to=address if is_somebody else "",
                language=language,
                link=link.url,
            )
            await self._notices.send(tx, letter, user_id=user_id)
            await record(tx, "password_reset_asked", user_id, actor="", where=where)
            return None

        await decide(self._database, unit)
        return address

    async def _reset(self, call: Call, token: str, password: str) -> None:
        """Set a new password, once; whoever was signed in with the old one is not any more."""
        digest, where, language = digest_of(token), call.origin, call.language

        async def look(tx: Transaction) -> tuple[Code | None, bool]:
            found = await tx.codes.look(digest, "reset", tx.now)
            user = None if found is None else await tx.users.by_id(found.user_id)
            if user is None or user.is_unclaimed:  # whose factors this proof takes away
                return found, False
            return found, (await tx.factors.of(user.id)).are_asked

        found, has_factor = await self._database.read(look)
        if found is None:  # nobody gets hashing time for a guess
            raise _invalid_code()
        password_hash = await self._registration.hash(password, email=found.email, has_factor=has_factor)

        async def unit(tx: Transaction) -> Refusal | None:
            code = await tx.codes.use(digest, "reset", tx.now)
            user = None if code is None else await tx.users.by_id(code.user_id)
            if code is None or user is None or user.disabled_at is not None or user.email != code.email:
                return _invalid_code()
            if await prove_address(tx, user, where=where):
                await self._notices.tell_taken(tx, user, language=language)
            await replace_password(tx, user.id, password_hash, is_short=self._registration.is_short(password))
            await end_sessions_of(tx, user.id, "password_changed", where=where)
            await tx.codes.forget_openers(user.id)
            if user.locked_at is not None:
                await tx.users.set_locked(user.id, None)
                await record(tx, "account_unlocked", user.id, where=where)
            await record(tx, "password_changed", user.id, reason="reset", where=where)
            await self._notices.warn(tx, "password_changed", user, language=language)
            return None

        await decide(self._database, unit)

    async def _lock(self, call: Call, token: str) -> None:
        """Lock the account down: nobody is signed in, and nothing opens it but a new password by mail.

        The mail goes to the address that this link went to, also where the account has been given another meanwhile.
        What a thief has set up goes: a passkey of theirs would outlive the new password.
        """
        where, language = call.origin, call.language

        async def unit(tx: Transaction) -> Refusal | None:
            code = await tx.codes.use(digest_of(token), "lock", tx.now)
            user = None if code is None else await tx.users.by_id(code.user_id)
            if code is None or user is None:
                return _invalid_code()
            await tx.users.set_locked(user.id, tx.now)
            await tx.devices.forget_all_of(user.id)
            await disconnect_all(tx, user.id, where=where)
            await take_back_factors(tx, user.id, since=code.expires_at - LOCK_SECONDS, where=where)
            await end_sessions_of(tx, user.id, "account_locked", where=where)
            await tx.codes.forget_openers(user.id)
            await tx.codes.forget_locks(user.id, made_since=code)
            await record(tx, "account_locked", user.id, where=where)
            await self._put_address_back(tx, user, code.email)
            letter = Letter(kind="account_locked", to=code.email, language=language, link=self._pages.url("forgotten"))
            await self._notices.send(tx, letter, user_id=user.id)
            return None

        await decide(self._database, unit)

    @staticmethod
    async def _put_address_back(tx: Transaction, user: User, email: str) -> None:
        """Give the account its owner's address again.

        Where that one has another account by now, this one would be left with a thief's address, and the thief would
        open it by mail: then only the operator can.
        """
        if user.email == email:
            return
        if await tx.users.set_email(user.id, email, tx.now):
            await record(tx, "email_changed", user.id, reason="put_back")
        else:
            await tx.users.set_disabled(user.id, tx.now)
            await record(tx, "account_disabled", user.id, actor=SERVER, reason="email_taken")


def _invalid_code() -> Refusal:
    """The one answer for every code that opens nothing here and now."""
    return Refusal("invalid_code", "The link or code is wrong, too old, or was used before.")
