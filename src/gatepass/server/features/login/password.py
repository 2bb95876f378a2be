"""`POST /login`: e-mail address and password for a token pair, or an ID token; and the page that does the same.

This is the operator's own login endpoint for its own applications, not OAuth's password grant, which RFC 9700 §2.4
forbids: no third party's client is ever shown a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.identity_linking import Existing
from gatepass.server.domain.accounts.user import Closed, User, account_closed, normalise_email
from gatepass.server.domain.credentials.factor_proofs import ANYBODY
from gatepass.server.domain.credentials.passwords.policy import MAX_LENGTH
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication, digest_of_password
from gatepass.server.domain.sessions.session import SINGLE_FACTOR
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.login_responses import SecondFactorRequired
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Attempt
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.login import LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call

Reason: TypeAlias = Literal["unknown_address", "wrong_password"] | Closed
"""Why a sign-in was refused, for the log of events; whoever tried is told less."""


class LoginRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs in, and what for: with `email` and `password`, or with a `provider` and its `id_token`.

    `nonce` is what was sent to the provider. `audience` narrows the token to one API, `scope` (blank-separated) to some
    scopes.
    """

    email: str | None = None
    password: str | None = None
    provider: str | None = None
    id_token: str | None = None
    nonce: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class PasswordLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By e-mail address and password."""

    email: str
    password: str
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class ProviderLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By the ID token that a provider has given to the application."""

    provider: str
    id_token: str
    nonce: str | None = None
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class LoginForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""
    password: str = ""
    return_to: str = ""


class Outdated(msgspec.Struct, frozen=True):
    """The password was changed or hashed anew while it was being checked."""


class CheckedPassword(Confidential, frozen=True, kw_only=True):
    """A password that was compared with the hash that somebody had, or with a decoy."""

    attempt: Attempt
    user_id: str
    password_hash: str | None
    is_right: bool
    new_hash: str | None


class Login:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._hasher = core.hasher
        self._decoys = core.decoys
        self._login = core.login
        self._login_responses = core.login_responses
        self._proofs = core.proofs
        self._linking = core.linking
        self._indexes = core.indexes
        self._browser = core.browser
        self._throttle = core.throttle
        self._pages = core.pages
        self._cookie_auth = core.cookie_auth

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and its page."""
        return (
            Route(
                method="POST",
                path="/login",
                handler=self.login,
                auth=ANYONE,
                summary="Sign in with e-mail address and password, or with a provider's ID token",
                body=LoginRequest,
                shapes=(PasswordLogin, ProviderLogin),
                answers={200: TokenPair, 403: SecondFactorRequired},
                problems=(
                    "invalid_credentials",
                    "account_disabled",
                    "account_locked",
                    "second_factor_required",
                    "too_many_attempts",
                    "invalid_email",
                    "password_too_long",
                    "unknown_client",
                    "invalid_audience",
                    "invalid_scope",
                    "cross_site_request",
                    "invalid_dpop_proof",
                    "unknown_provider",
                    "invalid_id_token",
                    "provider_denied",
                    "provider_unavailable",
                    "email_not_verified",
                    "account_exists",
                    "signup_closed",
                    "busy",
                ),
            ),
            page("/pages/login", self.show, ANYONE),
            page_form("/pages/login", self.submit, LoginForm, ANYONE, show=self._page),
        )

    # ── JSON ──

    async def login(self, call: Call, body: LoginRequest) -> Response:
        """Check the one proof that there is, open a session, answer with its tokens."""
        if body.cookie:
            self._browser.check_login(call.request)
        token_request = await call.token_request(
            client_id=body.client_id, audience=body.audience, scope=body.scope, cookie=body.cookie
        )
        match body:
            case LoginRequest(email=str(email), password=str(password), provider=None, id_token=None, nonce=None):
                result = await self._sign_in(call, email, password, token_request)
            case LoginRequest(email=None, password=None, provider=str(provider), id_token=str(id_token)):
                result = await self._sign_in_elsewhere(call, provider, id_token, body.nonce, token_request)
            case _:
                raise Refusal("invalid_body", "Send `email` and `password`, or `provider` and `id_token`.")
        return await self._login_responses.answer(result)

    # ── the page ──

    async def show(self, call: Call, _body: None) -> Response:
        """Show the form, unless somebody is signed in already."""
        return_to = self._return_path(call.query.get("return_to", ""))
        visitor = await self._cookie_auth.of(call.request)
        if visitor is None:
            return await self._page(call, LoginForm(return_to=return_to))
        if "again" not in call.query:
            return self._pages.go_to(return_to)
        error = Refusal("recent_sign_in_required", "This needs a fresh sign-in.")
        return await self._page(call, LoginForm(return_to=return_to, email=visitor.user.email), error)

    async def submit(self, call: Call, form: LoginForm) -> Response:
        """Sign in and go on; whatever cookie was there before is replaced (session fixation)."""
        token_request = await call.token_request(cookie=True)
        result = await self._sign_in(call, form.email, form.password, token_request)
        return await self._login_responses.go_on(call.request, result, form.return_to)

    async def _page(self, call: Call, form: LoginForm, error: GatepassError | None = None) -> Response:
        """Show the form; a browser offers passkeys in its field for the address."""
        options = await self._proofs.request_options("sign_in", ANYBODY) if self._proofs.knows_passkeys else None
        return self._pages.page(
            call.request,
            "login.html",
            error=error,
            return_to=self._return_path(form.return_to),
            email=form.email,
            options=options,
            scripted=options is not None,
            providers=self._linking.shown,
        )

    def _return_path(self, text: str) -> str:
        return self._pages.return_path(text, self._pages.path("account"))

    # ── what both do ──

    async def _sign_in_elsewhere(
        self, call: Call, provider: str, token: str, nonce: str | None, token_request: TokenRequest
    ) -> LoginResult:
        """Open a session for whom the provider's ID token is about."""
        proven = await self._linking.check_id_token(provider, token, nonce)
        where, device = call.origin, call.device
        result = await self._linking.sign_in(
            proven, token_request=token_request, where=where, device=device, language=call.language
        )
        if isinstance(result, Existing):
            raise Refusal("account_exists", "Sign in to the account of this address first, then connect the two.")
        return result

    async def _sign_in(self, call: Call, address: str, password: str, token_request: TokenRequest) -> LoginResult:
        """Check the password and open a session; nobody costs as much time, and as many statements, as somebody."""
        where, device = call.origin, call.device
        if len(password) > MAX_LENGTH:
            raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
        email = normalise_email(address)
        user, password_hash, attempt = await self._look(call, email, where)
        is_right = await self._hasher.verify(password, password_hash or self._decoys.of(email))
        is_right = is_right and password_hash is not None  # a decoy is somebody else's
        checked = CheckedPassword(
            attempt=attempt,
            user_id=user.id if user else "",
            password_hash=password_hash,
            is_right=is_right,
            new_hash=await self._hash_anew(password, password_hash) if is_right else None,
        )
        status = await self._indexes.next() if is_right else None

        async def unit(tx: Transaction) -> LoginResult | Outdated | Refusal:
            verdict = await self._decide(tx, checked)
            if not isinstance(verdict, User):
                return verdict
            assert status is not None
            proof = Authentication(acr=SINGLE_FACTOR, amr=("pwd",), where=where)
            return await self._login.complete(
                tx, verdict, token_request=token_request, proof=proof, status=status, device=device
            )

        outcome: LoginResult | Outdated = await decide(self._database, unit, shared=True)
        if isinstance(outcome, Outdated):  # then by what is true now: it may be of the same password
            return await self._sign_in(call, address, password, token_request)
        return outcome

    async def _look(self, call: Call, email: str, where: Origin) -> tuple[User | None, str | None, Attempt]:
        """Return who has this address and the hash of their password, if now is the time for an attempt."""

        async def unit(tx: Transaction) -> tuple[User | None, str | None, Attempt, float]:
            user = await tx.users.by_email(email)
            password_hash = await tx.passwords.of(user.id if user else "")
            browser = call.browser_of(user.id, digest_of_password(password_hash)) if user else ""
            return user, password_hash, *await self._throttle.choose(tx, "password", email, where, browser=browser)

        user, password_hash, attempt, wait = await self._database.read(unit)
        if wait:
            raise too_many_attempts(wait)
        return user, password_hash, attempt

    async def _decide(self, tx: Transaction, checked: CheckedPassword) -> User | Outdated | Refusal:
        """Say whether the person may sign in, by what is true now: it may have changed while the hash was computed."""
        # Those who guess in parallel learn nothing past the limit, not even that a guess was right.
        if wait := await self._throttle.hold(tx, checked.attempt):
            return too_many_attempts(wait)
        user = await tx.users.by_id(checked.user_id)
        if user is None or not checked.is_right:
            await self._throttle.failed(tx, checked.attempt)
            return await self._refuse(tx, checked, "wrong_password" if user else "unknown_address")
        if await tx.passwords.of(user.id) != checked.password_hash:
            return Outdated()
        if user.closed is not None:
            return await self._refuse(tx, checked, user.closed)
        await self._throttle.succeeded(tx, checked.attempt)
        if checked.new_hash is not None:
            await tx.passwords.put(user.id, checked.new_hash, tx.now)
        return user

    @staticmethod
    async def _refuse(tx: Transaction, checked: CheckedPassword, reason: Reason) -> Refusal:
        where = checked.attempt.where
        await record(tx, "sign_in_refused", checked.user_id, actor="", reason=reason, where=where)
        return _refusal(reason)

    async def _hash_anew(self, password: str, password_hash: str | None) -> str | None:
        """Hash a password that was hashed at another cost than today's."""
        if password_hash is None or not self._hasher.needs_rehash(password_hash, password):
            return None
        return await self._hasher.hash(password)


def _refusal(reason: Reason) -> Refusal:
    match reason:
        case "account_disabled" | "account_locked":
            return account_closed(reason)
        case "unknown_address" | "wrong_password":
            return Refusal("invalid_credentials", "The e-mail address or the password is wrong.")
