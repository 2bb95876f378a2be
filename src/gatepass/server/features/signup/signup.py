"""`POST /signup`: an account for whoever asks, if the operator wants that; and the pages that do the same.

With a mail server an account is made once its owner has answered a mail. Then the answer is the same whether or not the
address is taken, and nobody else can have prepared an account for it: whoever follows the link must be in the browser
that asked, or know the password that was chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.registration import PASSWORD_PROBLEMS
from gatepass.server.domain.accounts.user import User, normalise_email
from gatepass.server.domain.credentials.one_time_code import Code, digest_of
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.letter import Letter
from gatepass.server.domain.ports import decide
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class SignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Who wants an account; `proof` goes to the service at `signup_check_url`."""

    email: str
    password: str
    proof: str | None = None


class VerifySignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The token of the mail's link, and the password that was chosen."""

    token: str
    password: str


class SignupForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""
    password: str = ""


class VerifyForm(PageForm, frozen=True, kw_only=True):
    """The page that the mail's link leads to."""

    token: str = ""
    password: str = ""


class SignedUp(msgspec.Struct, frozen=True):
    """The new account."""

    id: str
    email: str


class SignupMailed(msgspec.Struct, frozen=True):
    """A mail is under way; the account is made once it is answered."""

    email: str


class Signup:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._registration = core.registration
        self._notices = core.notices
        self._hasher = core.hasher
        self._rules = core.rules
        self._throttle = core.throttle
        self._mail_throttle = core.mail_throttle
        self._pages = core.pages
        self._settings = core.settings
        self._is_verified_first = core.settings.mail == "smtp"
        self._by_passkey = core.relying_party.is_possible and not self._is_verified_first

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        return (
            Route(
                method="POST",
                path="/signup",
                handler=self.signup,
                auth=ANYONE,
                summary="Make an account",
                body=SignupRequest,
                answers={201: SignedUp, 202: SignupMailed},
                problems=(
                    "signup_closed",
                    "email_domain_not_allowed",
                    "signup_refused",
                    "signup_check_unavailable",
                    "email_taken",
                    "invalid_email",
                    "too_many_attempts",
                    *PASSWORD_PROBLEMS,
                ),
            ),
            Route(
                method="POST",
                path="/signup/verify",
                handler=self.verify,
                auth=ANYONE,
                summary="Make the account that the mail was about",
                body=VerifySignupRequest,
                answers={201: SignedUp},
                problems=("invalid_code", "invalid_credentials", "too_many_attempts", "busy"),
            ),
            page("/pages/signup", self.show, ANYONE),
            page_form("/pages/signup", self.submit, SignupForm, ANYONE, show=self.show),
            page("/pages/signup/verify", self.show_verify, ANYONE),
            page_form("/pages/signup/verify", self.submit_verify, VerifyForm, ANYONE, show=self.show_verify),
        )

    # ── JSON ──

    async def signup(self, call: Call, body: SignupRequest) -> Response:
        """Make the account, or with a mail server the first step to it."""
        made = await self._sign_up(call, body.email, body.password, browser="", proof=body.proof)
        match made:
            case User():
                return JsonResponse(SignedUp(made.id, made.email), 201)
            case str():
                return JsonResponse(SignupMailed(made), 202)

    async def verify(self, call: Call, body: VerifySignupRequest) -> Response:
        """Make the account for who has read the mail and knows the password."""
        user = await self._verify(call, body.token, browser="", password=body.password)
        return JsonResponse(SignedUp(user.id, user.email), 201)

    # ── pages ──

    async def show(self, call: Call, form: SignupForm | None, error: GatepassError | None = None) -> Response:
        """Show the form."""
        return self._pages.page(
            call.request,
            "signup.html",
            error=error,
            email=form.email if form is not None else "",
            min_length=self._settings.password_min_length,
            by_passkey=self._by_passkey,
        )

    async def submit(self, call: Call, form: SignupForm) -> Response:
        """Make the account, and go to the sign-in page; or ask to look for the mail."""
        browser = self._pages.browser_of(call.request) or ""
        made = await self._sign_up(call, form.email, form.password, browser=browser)
        if isinstance(made, str):
            return self._pages.message(call.request, "signup_sent", email=made)
        return self._pages.message(call.request, "signed_up", next_path=self._pages.path("login"))

    async def submit_verify(self, call: Call, form: VerifyForm) -> Response:
        """Make the account."""
        browser = self._pages.browser_of(call.request) or ""
        await self._verify(call, form.token, browser=browser, password=form.password)
        return self._pages.message(call.request, "signed_up", next_path=self._pages.path("login"))

    async def show_verify(self, call: Call, form: VerifyForm | None, error: GatepassError | None = None) -> Response:
        """Show a button; in another browser than the one that asked, a field for the password too."""
        token = call.query.get("token", "") if form is None else form.token
        code = await self._code(token)
        is_here = code is None or code.holder == digest_of(self._pages.browser_of(call.request) or "")
        return self._pages.page(
            call.request,
            "confirm.html",
            error=error,
            key="signup_verify" if is_here else "signup_elsewhere",
            action=self._pages.path("signup/verify"),
            token=token,
            field=None if is_here else "password",
        )

    # ── what both do ──

    async def _sign_up(
        self, call: Call, email: str, password: str, *, browser: str, proof: str | None = None
    ) -> User | str:
        """Make the account; or mail a link to its owner, and return the address as we spell it."""
        self._rules.check_open()
        address, where = normalise_email(email), call.origin
        self._rules.check(address)
        await self._wait(address, where)
        await self._rules.ask(address, where, proof=proof)
        if not self._is_verified_first:
            return await self._registration.add(
                address, password, where=where, count=lambda tx: self._rules.count(tx, address, where)
            )
        password_hash = await self._registration.hash(password, email=address)
        await self._send_link(call, address, password_hash, browser)
        return address

    async def _wait(self, address: str, where: Origin) -> None:
        """Refuse before a hash is made what would be refused after it."""

        async def unit(tx: Transaction) -> float:
            return await self._rules.wait(tx, address, where)

        if wait := await self._database.read(unit):
            raise too_many_attempts(wait)

    async def _send_link(self, call: Call, address: str, password_hash: str, browser: str) -> None:
        """Mail a link that makes the account; an owner of the address is told that there is one, at the same cost."""
        attempt = self._mail_throttle.attempt("signup", address, call.origin)
        link, language = self._notices.mail_link("signup"), call.language

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._mail_throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            if refused := await self._rules.count(tx, address, attempt.where):
                return refused
            await self._mail_throttle.failed(tx, attempt)
            owner = await tx.users.by_email(address)
            await tx.codes.add(
                Code(
                    digest=link.digest,
                    purpose="signup" if owner is None else "nothing",
                    user_id="",
                    email=address,
                    holder=digest_of(browser) if browser else b"",
                    payload=password_hash,
                    expires_at=tx.now + self._settings.mail_link_seconds,
                )
            )
            letter = Letter(
                kind="signup" if owner is None else "signup_taken",
                to=address,
                language=language,
                link=link.url if owner is None else self._pages.url("login"),
            )
            await self._notices.send(tx, letter)
            return None

        await decide(self._database, unit)

    async def _verify(self, call: Call, token: str, *, browser: str, password: str) -> User:
        """Make the account, once, for the browser that asked or for who knows the password."""
        code = await self._code(token)
        if code is None:
            raise _invalid_code()
        where = call.origin
        attempt = self._throttle.attempt("signup", code.email, where)
        is_theirs = code.holder == digest_of(browser) or await self._knows(password, code)

        async def unit(tx: Transaction) -> User | Refusal:
            if wait := await self._throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            if not is_theirs:
                await self._throttle.failed(tx, attempt)
                return Refusal("invalid_credentials", "This is not the password chosen.")
            used = await tx.codes.use(code.digest, "signup", tx.now)
            user = User(id=new_id("usr"), email=code.email, created_at=tx.now, email_verified_at=tx.now)
            if used is None or not await tx.users.add(user):
                return _invalid_code()
            await tx.passwords.put(user.id, used.payload, tx.now)
            await record(tx, "account_created", user.id, where=where)
            await record(tx, "email_verified", user.id, where=where)
            return user

        return await decide(self._database, unit)

    async def _code(self, token: str) -> Code | None:
        async def unit(tx: Transaction) -> Code | None:
            return await tx.codes.look(digest_of(token), "signup", tx.now)

        return await self._database.read(unit)

    async def _knows(self, password: str, code: Code) -> bool:
        return bool(password) and await self._hasher.verify(password, code.payload)


def _invalid_code() -> Refusal:
    return Refusal("invalid_code", "The link is wrong, too old, or was used before.")
