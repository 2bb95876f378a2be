"""Signing in by mail: a link, or a short code to type. Both are for the browser or application that asked, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.ownership import prove_address
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.credentials.one_time_code import Code, digest_of, new_short_code, new_token, short_digest_of
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.letter import Letter
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import SINGLE_FACTOR
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.login_responses import SecondFactorRequired
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.login import LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class EmailLoginRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Who wants to sign in."""

    email: str


class CodeSent(Confidential, frozen=True):
    """A mail is under way, if there is such an account. Keep `challenge`: the mail's code is for its holder only."""

    challenge: str
    expires_in: int


class EmailCodeRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The challenge, and what the mail brought: the `code`, or the `token` of the link. The rest is as for `/login`."""

    challenge: str
    code: str | None = None
    token: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class MailLoginForm(PageForm, frozen=True, kw_only=True):
    """The page that asks for the address."""

    email: str = ""
    return_to: str = ""


class CodeForm(PageForm, frozen=True, kw_only=True):
    """The page that asks for the code, or has the link's token."""

    code: str = ""
    token: str = ""
    return_to: str = ""


class EmailLogin:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._notices = core.notices
        self._login = core.login
        self._login_responses = core.login_responses
        self._code_key = core.data_key.derive("codes")
        self._indexes = core.indexes
        self._browser = core.browser
        self._throttle = core.mail_throttle
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        return (
            Route(
                method="POST",
                path="/login/email",
                handler=self.ask,
                auth=ANYONE,
                summary="Have a sign-in code mailed",
                body=EmailLoginRequest,
                answers={202: CodeSent},
                problems=("invalid_email", "too_many_attempts", "mail_not_configured"),
            ),
            Route(
                method="POST",
                path="/login/email/code",
                handler=self.answer,
                auth=ANYONE,
                summary="Sign in with the mail's code or token",
                body=EmailCodeRequest,
                answers={200: TokenPair, 403: SecondFactorRequired},
                problems=(
                    "invalid_code",
                    "second_factor_required",
                    "unknown_client",
                    "invalid_audience",
                    "invalid_scope",
                    "cross_site_request",
                ),
            ),
            page("/pages/login/email", self.show_ask, ANYONE),
            page_form("/pages/login/email", self.submit_ask, MailLoginForm, ANYONE, show=self.show_ask),
            page("/pages/login/link", self.show_link, ANYONE),
            page_form("/pages/login/link", self.submit_link, CodeForm, ANYONE, show=self.show_link),
            page_form("/pages/login/email/code", self.submit_code, CodeForm, ANYONE, show=self._code_page),
        )

    # ── JSON ──

    async def ask(self, call: Call, body: EmailLoginRequest) -> Response:
        """Send the mail; the answer is the same whether or not there is such an account."""
        challenge = new_token()
        await self._send(call, body.email, challenge)
        return JsonResponse(CodeSent(challenge, self._settings.mail_code_seconds), 202)

    async def answer(self, call: Call, body: EmailCodeRequest) -> Response:
        """Open a session for who holds the challenge and read the mail."""
        if body.cookie:
            self._browser.check_login(call.request)
        if (body.code is None) == (body.token is None):
            raise Refusal("invalid_body", "Send either `code` or `token`.")
        token_request = await call.token_request(
            client_id=body.client_id, audience=body.audience, scope=body.scope, cookie=body.cookie
        )
        result = await self._sign_in(
            call, body.challenge, code=body.code, token=body.token, token_request=token_request
        )
        return await self._login_responses.answer(result)

    # ── pages ──

    async def show_ask(self, call: Call, form: MailLoginForm | None, error: GatepassError | None = None) -> Response:
        """Show the form."""
        form = form or MailLoginForm(return_to=call.query.get("return_to", ""))
        return self._pages.page(
            call.request,
            "ask_email.html",
            error=error,
            key="email_login",
            action=self._pages.path("login/email"),
            email=form.email,
            return_to=form.return_to,
        )

    async def submit_ask(self, call: Call, form: MailLoginForm) -> Response:
        """Send the mail, and ask for the code."""
        await self._send(call, form.email, self._pages.browser_of(call.request) or "", return_to=form.return_to)
        return await self._code_page(call, CodeForm(return_to=form.return_to))

    async def submit_code(self, call: Call, form: CodeForm) -> Response:
        """Sign in with the code that was typed."""
        return await self._submit(call, form, code=form.code)

    async def show_link(self, call: Call, form: CodeForm | None, error: GatepassError | None = None) -> Response:
        """Show a button: programs that look through mail follow links, and press none."""
        query = call.query
        form = form or CodeForm(token=query.get("token", ""), return_to=query.get("return_to", ""))
        return self._pages.page(
            call.request,
            "confirm.html",
            error=error,
            key="email_link",
            action=self._pages.path("login/link"),
            token=form.token,
            field=None,
            return_to=form.return_to,
        )

    async def submit_link(self, call: Call, form: CodeForm) -> Response:
        """Sign in with the link."""
        return await self._submit(call, form, token=form.token)

    async def _submit(
        self, call: Call, form: CodeForm, *, code: str | None = None, token: str | None = None
    ) -> Response:
        token_request = await call.token_request(cookie=True)
        browser = self._pages.browser_of(call.request) or ""
        result = await self._sign_in(call, browser, code=code, token=token, token_request=token_request)
        return await self._login_responses.go_on(call.request, result, form.return_to)

    async def _code_page(self, call: Call, form: CodeForm, error: GatepassError | None = None) -> Response:
        return self._pages.page(call.request, "email_code.html", error=error, return_to=form.return_to)

    # ── what both do ──

    async def _send(self, call: Call, email: str, challenge: str, *, return_to: str = "") -> None:
        """Mail link and code to whoever has this address; to nobody at the same cost."""
        self._notices.require()
        address, where = normalise_email(email), call.origin
        attempt = self._throttle.attempt("sign_in", address, where)
        link, short, holder = self._notices.mail_link("sign_in"), new_short_code(), digest_of(challenge)
        language = call.language
        url = link.url + self._pages.return_query(return_to)

        async def unit(tx: Transaction) -> Refusal | None:
            if wait := await self._throttle.wait(tx, attempt):
                return too_many_attempts(wait)
            await self._throttle.failed(tx, attempt)
            user = await tx.users.by_email(address)
            may_enter = user is not None and user.closed is None
            user_id = user.id if user is not None else ""
            await tx.codes.add(
                Code(
                    digest=link.digest,
                    purpose="sign_in" if may_enter else "nothing",
                    user_id=user_id,
                    email=address,
                    holder=holder,
                    short_digest=short_digest_of(self._code_key, holder, short),
                    expires_at=tx.now + self._settings.mail_code_seconds,
                )
            )
            letter = Letter(kind="sign_in", to=address if may_enter else "", language=language, link=url, code=short)
            await self._notices.send(tx, letter, user_id=user_id)
            await record(tx, "sign_in_code_asked", user_id, actor="", where=where)
            return None

        await decide(self._database, unit)

    async def _sign_in(
        self, call: Call, challenge: str, *, code: str | None, token: str | None, token_request: TokenRequest
    ) -> LoginResult:
        """Use the code up, and open a session: it was the right one, and its holder's."""
        holder, where, device = (
            digest_of(challenge),
            call.origin,
            call.device,
        )
        language = call.language

        async def look(tx: Transaction) -> bool:
            return await tx.codes.is_waited_for(holder, "sign_in", tx.now)

        if not await self._database.read(look):  # nobody gets places in status lists for a guess
            raise _invalid_code()
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> LoginResult | Refusal:
            if token is not None:
                found = await tx.codes.use(digest_of(token), "sign_in", tx.now, holder=holder)
            else:
                typed = short_digest_of(self._code_key, holder, code or "")
                found = await tx.codes.use_short(holder, typed, "sign_in", tx.now)
            user = None if found is None else await tx.users.by_id(found.user_id)
            if found is None or user is None or user.email != found.email:
                return _invalid_code()
            if user.closed is not None:
                await record(tx, "sign_in_refused", user.id, actor="", reason=user.closed, where=where)
                return _invalid_code()
            if await prove_address(tx, user, where=where):
                await self._notices.tell_taken(tx, user, language=language)
            proof = Authentication(acr=SINGLE_FACTOR, amr=("otp",), where=where)
            return await self._login.complete(
                tx, user, token_request=token_request, proof=proof, status=status, device=device
            )

        return await decide(self._database, unit)


def _invalid_code() -> Refusal:
    return Refusal("invalid_code", "The link or code is wrong, too old, used, or for another browser.")
