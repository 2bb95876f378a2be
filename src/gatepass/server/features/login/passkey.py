"""Signing in and up with a passkey, which is two factors by itself; and the pages that do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User, account_closed, normalise_email
from gatepass.server.domain.credentials.factor_proofs import ANYBODY, FactorRefused
from gatepass.server.domain.credentials.passkeys.passkey import Passkey
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.recovery_codes import new_codes
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import Route, page, page_form
from gatepass.server.web.token_responses import TokenPair

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.login import LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty object."""


class SignInOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get` takes as `publicKey`, as JSON (`parseRequestOptionsFromJSON`)."""

    public_key: dict[str, Any]


class PasskeyLogin(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.get` returned, as JSON. The rest is as for `/login`."""

    credential: dict[str, Any]
    cookie: bool = False
    client_id: str | None = None
    audience: str | None = None
    scope: str | None = None


class SignupOptionsRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Who wants an account."""

    email: str


class SignupOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.create` takes as `publicKey`, as JSON, and the id that the account will have."""

    id: str
    public_key: dict[str, Any]


class PasskeySignup(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The id and address that the options were for, and what `navigator.credentials.create` returned, as JSON.

    `proof` goes to the service at `signup_check_url`.
    """

    id: str
    email: str
    credential: dict[str, Any]
    proof: str | None = None


class PasskeySignedUp(Confidential, frozen=True, kw_only=True):
    """The new account, and its recovery codes, which are never shown again."""

    id: str
    email: str
    recovery_codes: tuple[str, ...]


class SignInForm(PageForm, frozen=True, kw_only=True):
    """The form that the script fills in."""

    passkey: str = ""
    return_to: str = ""


class PasskeySignupForm(PageForm, frozen=True, kw_only=True):
    """The first step of signing up; the second has a passkey too."""

    email: str = ""
    id: str = ""
    passkey: str = ""


class PasskeyLogins:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._login = core.login
        self._login_responses = core.login_responses
        self._proofs = core.proofs
        self._indexes = core.indexes
        self._rules = core.rules
        self._browser = core.browser
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        return (
            Route(
                method="POST",
                path="/login/passkey/options",
                handler=self.options,
                auth=ANYONE,
                summary="What to ask a browser for to sign in with a passkey",
                body=Nothing,
                answers={200: SignInOptions},
                problems=("passkeys_unavailable",),
            ),
            Route(
                method="POST",
                path="/login/passkey",
                handler=self.login,
                auth=ANYONE,
                summary="Sign in with a passkey",
                body=PasskeyLogin,
                answers={200: TokenPair},
                problems=(
                    "passkeys_unavailable",
                    "invalid_passkey",
                    "account_disabled",
                    "account_locked",
                    "unknown_client",
                    "invalid_audience",
                    "invalid_scope",
                    "cross_site_request",
                ),
            ),
            Route(
                method="POST",
                path="/signup/passkey/options",
                handler=self.signup_options,
                auth=ANYONE,
                summary="What to ask a browser for to make an account with a passkey",
                body=SignupOptionsRequest,
                answers={200: SignupOptions},
                problems=(
                    "signup_closed",
                    "signup_by_mail_only",
                    "invalid_email",
                    "email_domain_not_allowed",
                    "passkeys_unavailable",
                ),
            ),
            Route(
                method="POST",
                path="/signup/passkey",
                handler=self.signup,
                auth=ANYONE,
                summary="Make an account with a passkey",
                body=PasskeySignup,
                answers={201: PasskeySignedUp},
                problems=(
                    "signup_closed",
                    "signup_by_mail_only",
                    "invalid_email",
                    "passkeys_unavailable",
                    "invalid_passkey",
                    "email_taken",
                    "email_domain_not_allowed",
                    "signup_refused",
                    "signup_check_unavailable",
                    "too_many_attempts",
                ),
            ),
            page_form("/pages/login/passkey", self.submit, SignInForm, ANYONE),
            page("/pages/signup/passkey", self.show_signup, ANYONE),
            page_form("/pages/signup/passkey", self.submit_signup, PasskeySignupForm, ANYONE, show=self.show_signup),
        )

    # ── JSON ──

    async def options(self, _call: Call, _body: Nothing) -> Response:
        """Answer with options for any passkey: which one, the person chooses."""
        return JsonResponse(SignInOptions(await self._proofs.request_options("sign_in", ANYBODY)))

    async def login(self, call: Call, body: PasskeyLogin) -> Response:
        """Check the passkey, open a session, answer with its tokens."""
        if body.cookie:
            self._browser.check_login(call.request)
        token_request = await call.token_request(
            client_id=body.client_id, audience=body.audience, scope=body.scope, cookie=body.cookie
        )
        result = await self._sign_in(call, body.credential, token_request)
        return await self._login_responses.answer(result)

    async def signup_options(self, _call: Call, body: SignupOptionsRequest) -> Response:
        """Answer with options for the first passkey of an account that is not there yet."""
        return JsonResponse(await self._signup_options(body.email))

    async def signup(self, call: Call, body: PasskeySignup) -> Response:
        """Make the account."""
        made = await self._sign_up(call, body.id, body.email, body.credential, proof=body.proof)
        return JsonResponse(made, 201)

    # ── pages ──

    async def submit(self, call: Call, form: SignInForm) -> Response:
        """Sign in and go on."""
        token_request = await call.token_request(cookie=True)
        result = await self._sign_in(call, parse_object(form.passkey), token_request)
        return await self._login_responses.go_on(call.request, result, form.return_to)

    async def show_signup(
        self, call: Call, form: PasskeySignupForm | None, error: GatepassError | None = None
    ) -> Response:
        """Show the first step."""
        email, action = form.email if form is not None else "", self._pages.path("signup/passkey")
        return self._pages.page(
            call.request, "ask_email.html", error=error, key="signup_passkey_email", action=action, email=email
        )

    async def submit_signup(self, call: Call, form: PasskeySignupForm) -> Response:
        """Show the second step; then make the account."""
        if not form.passkey:
            return await self._second_step(call, form)
        made = await self._sign_up(call, form.id, form.email, parse_object(form.passkey))
        return self._pages.page(
            call.request, "recovery_codes.html", codes=made.recovery_codes, next_path=self._pages.path("login")
        )

    async def _second_step(self, call: Call, form: PasskeySignupForm) -> Response:
        offered = await self._signup_options(form.email)
        return self._pages.page(
            call.request,
            "signup_passkey.html",
            id=offered.id,
            email=form.email,
            options=offered.public_key,
            scripted=True,
        )

    # ── what both do ──

    async def _sign_in(self, call: Call, credential: Json, token_request: TokenRequest) -> LoginResult:
        """Open a session for whose passkey it is."""
        where, device = call.origin, call.device
        passkey_claim = await self._proofs.passkey_claim(credential, "sign_in", ANYBODY)
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> LoginResult | Refusal:
            user = await tx.users.by_id(passkey_claim.passkey.user_id)
            if user is None:
                return invalid_passkey()
            proven = await self._proofs.consume(tx, user.id, passkey_claim, where)
            if isinstance(proven, FactorRefused):
                await record(tx, "sign_in_refused", user.id, actor="", reason=proven.reason, where=where)
                return invalid_passkey()
            if user.closed is not None:
                await record(tx, "sign_in_refused", user.id, actor="", reason=user.closed, where=where)
                return account_closed(user.closed)
            proof = Authentication(acr=TWO_FACTORS, amr=(*proven.amr, "mfa"), where=where)
            return await self._login.complete(
                tx, user, token_request=token_request, proof=proof, status=status, device=device
            )

        return await decide(self._database, unit)

    async def _signup_options(self, email: str) -> SignupOptions:
        self._check_open()
        address, user_id = normalise_email(email), new_id("usr")
        self._rules.check(address)
        party = f"{user_id} {address}"
        options = await self._proofs.creation_options("sign_up", party, user_id=user_id, email=address)
        return SignupOptions(user_id, options)

    async def _sign_up(
        self, call: Call, user_id: str, email: str, credential: Json, *, proof: str | None = None
    ) -> PasskeySignedUp:
        """Write the account and its passkey; the challenge is of this very pair of id and address."""
        self._check_open()
        address, where, codes = normalise_email(email), call.origin, new_codes()
        self._rules.check(address)
        await self._rules.ask(address, where, proof=proof)
        registered, answered = await self._proofs.register(credential, "sign_up", f"{user_id} {address}")

        async def unit(tx: Transaction) -> PasskeySignedUp | Refusal:
            if not await tx.used_once.use("passkey_challenge", answered.id, expires_at=answered.expires_at):
                return invalid_passkey()
            if await tx.passkeys.by_credential(registered.credential_id) is not None:
                return Refusal("factor_exists", "This passkey is known already.")
            if refused := await self._rules.count(tx, address, where):
                return refused
            user = User(id=user_id, email=address, created_at=tx.now)
            if not await tx.users.add(user):
                return Refusal("email_taken", "There is an account with this address.")
            passkey = Passkey(
                id=new_id("psk"),
                user_id=user.id,
                name="Passkey 1",
                created_at=tx.now,
                **msgspec.structs.asdict(registered),
            )
            await tx.passkeys.add(passkey)
            await tx.recovery_codes.replace(user.id, self._proofs.recovery_digests(user.id, codes))
            await record(tx, "account_created", user.id, where=where)
            await record(tx, "factor_added", user.id, reason="passkey", where=where)
            return PasskeySignedUp(id=user.id, email=address, recovery_codes=codes)

        return await decide(self._database, unit)

    def _check_open(self) -> None:
        self._rules.check_open()
        if self._settings.mail == "smtp":
            raise Refusal("signup_by_mail_only", "Sign up by mail first, and add a passkey then.")
