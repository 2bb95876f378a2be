"""`POST /login/factor`: the second half of a sign-in, whatever was the first; and the page that does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import account_closed
from gatepass.server.domain.credentials.factor_proofs import CodeClaim, FactorRefused, PasskeyClaim
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.recovery_codes import looks_like_one
from gatepass.server.domain.credentials.trusted_devices import TrustedDevice, digest_of, new_device_token
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.login import invalid_challenge
from gatepass.server.domain.sessions.open import Authentication, open_session, password_digest
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
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import Claim
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Attempt
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.login import Pending
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.web.call import Call

_DAY = 86_400


class FactorRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The challenge, and one factor: a `code` of the authenticator application, a recovery code, or a passkey's answer.

    `remember` is for cookie mode: this browser is not asked again for a while.
    """

    challenge: str
    code: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None
    remember: bool = False


class ChallengeRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """The challenge that a passkey is to answer."""

    challenge: str


class PasskeyOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials` takes as `publicKey`, as JSON (`parseRequestOptionsFromJSON`)."""

    public_key: dict[str, Any]


class FactorForm(PageForm, frozen=True, kw_only=True):
    """The page's form: six digits or a recovery code in one field, or a passkey's answer, which the script fills in."""

    code: str = ""
    passkey: str = ""
    remember: str = ""
    return_to: str = ""


class Both(msgspec.Struct, frozen=True):
    """Both factors are proven; `amr` of the second."""

    user: User
    amr: tuple[str, ...]


class SecondFactor:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._login = core.login
        self._login_responses = core.login_responses
        self._proofs = core.proofs
        self._notices = core.notices
        self._indexes = core.indexes
        self._browser = core.browser
        self._throttle = core.throttle
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and its page."""
        return (
            Route(
                method="POST",
                path="/login/factor",
                handler=self.login,
                auth=ANYONE,
                summary="Sign in with the second factor",
                body=FactorRequest,
                answers={200: TokenPair},
                problems=(
                    "invalid_challenge",
                    "invalid_code",
                    "invalid_passkey",
                    "passkeys_unavailable",
                    "account_disabled",
                    "account_locked",
                    "too_many_attempts",
                    "cross_site_request",
                ),
            ),
            Route(
                method="POST",
                path="/login/factor/options",
                handler=self.options,
                auth=ANYONE,
                summary="What to ask a passkey for, as the second factor",
                body=ChallengeRequest,
                answers={200: PasskeyOptions},
                problems=("invalid_challenge", "passkeys_unavailable"),
            ),
            page("/pages/login/factor", self.show, ANYONE),
            page_form("/pages/login/factor", self.submit, FactorForm, ANYONE, show=self._page),
        )

    # ── JSON ──

    async def login(self, call: Call, body: FactorRequest) -> Response:
        """Check the factor, open the session, answer with its tokens."""
        pending = await self._pending(body.challenge)
        if pending.token_request.cookie:
            self._browser.check_login(call.request)
            if self._login_responses.challenge_cookie.read(call.request) != body.challenge:
                raise invalid_challenge()
        elif body.remember:
            raise Refusal("invalid_body", "Only a browser in cookie mode can be remembered.")
        claim = await self._proofs.read(
            code=body.code,
            recovery_code=body.recovery_code,
            passkey=body.passkey,
            ceremony="second_factor",
            party=pending.id,
        )
        opened, device = await self._sign_in(call, pending, claim, remember=body.remember)
        response = await self._login_responses.answer(opened)
        if pending.token_request.cookie:
            self._keep(response, device)
        return response

    async def options(self, _call: Call, body: ChallengeRequest) -> Response:
        """Answer with the options for the person's passkeys."""
        return JsonResponse(PasskeyOptions(await self._options(await self._pending(body.challenge))))

    # ── the page ──

    async def show(self, call: Call, _body: None) -> Response:
        """Show the form, to the browser that has the challenge."""
        try:
            return await self._page(call, FactorForm(return_to=call.query.get("return_to", "")))
        except Refusal:
            return self._pages.go_to(self._pages.path("login"))

    async def submit(self, call: Call, form: FactorForm) -> Response:
        """Check the factor and go on."""
        pending = await self._pending(self._login_responses.challenge_cookie.read(call.request))
        claim = await self._proofs.read(**_of(form), ceremony="second_factor", party=pending.id)
        opened, device = await self._sign_in(call, pending, claim, remember=bool(form.remember))
        response = await self._login_responses.go_on(call.request, opened, form.return_to)
        self._keep(response, device)
        return response

    async def _page(self, call: Call, form: FactorForm, error: GatepassError | None = None) -> Response:
        pending = await self._pending(self._login_responses.challenge_cookie.read(call.request))

        async def unit(tx: Transaction) -> Factors:
            return await tx.factors.of(pending.user_id)

        factors = await self._database.read(unit)
        asks_passkey = bool(factors.passkeys) and self._proofs.knows_passkeys
        return self._pages.page(
            call.request,
            "factor.html",
            error=error,
            return_to=self._pages.return_path(form.return_to, ""),
            kinds=factors.kinds,
            options=await self._options(pending) if asks_passkey else None,
            scripted=asks_passkey,
            can_remember=self._settings.remember_device_days > 0,
            days=self._settings.remember_device_days,
        )

    def _keep(self, response: Response, device: str) -> None:
        """Let the browser forget the challenge, and keep the device's name if there is one."""
        self._login_responses.challenge_cookie.drop(response)
        if device:
            self._login_responses.device_cookie.put(response, device, self._settings.remember_device_days * _DAY)

    # ── what both do ──

    async def _pending(self, challenge: str) -> Pending:
        async def unit(tx: Transaction) -> float:
            return tx.now

        return self._login.read(challenge, await self._database.read(unit))

    async def _options(self, pending: Pending) -> Json:
        return await self._proofs.request_options("second_factor", pending.id, user_id=pending.user_id)

    async def _sign_in(self, call: Call, pending: Pending, claim: Claim, *, remember: bool) -> tuple[Opened, str]:
        """Open the session; and what the device's cookie is to hold, if it is to be remembered."""
        where, language = call.origin, call.language
        browser = call.browser_of(pending.user_id, pending.password)
        status = await self._indexes.next()
        device = new_device_token() if remember and self._settings.remember_device_days else ""

        async def unit(tx: Transaction) -> Opened | Refusal:
            attempt, wait = await self._throttle.choose(tx, "factor", pending.user_id, where, browser=browser)
            decided = too_many_attempts(wait) if wait else await self._decide(tx, pending, claim, attempt)
            if isinstance(decided, Refusal):
                return decided
            if isinstance(claim, CodeClaim) and claim.is_recovery_code:
                await self._notices.warn(tx, "recovery_code_used", decided.user, language=language)
            if device:
                await self._remember(tx, pending.user_id, device, where)
            return await open_session(
                tx,
                decided.user,
                token_request=pending.token_request,
                proof=Authentication(
                    acr=TWO_FACTORS, amr=tuple(dict.fromkeys((*pending.amr, *decided.amr))), where=where
                ),
                status=status,
                max_seconds=self._settings.session_max_seconds,
            )

        return await decide(self._database, unit), device

    async def _decide(self, tx: Transaction, pending: Pending, claim: Claim, attempt: Attempt) -> Both | Refusal:
        """Say whether the person may sign in, by what is true now; and use up what counts once."""
        user = await tx.users.by_id(pending.user_id)
        if user is None or await password_digest(tx, user.id) != pending.password:
            return invalid_challenge()
        if user.closed is not None:
            await self._refuse(tx, user, user.closed, attempt)
            return account_closed(user.closed)
        proven = await self._proofs.consume(tx, user.id, claim, attempt.where)
        if isinstance(proven, FactorRefused):
            await self._throttle.failed(tx, attempt)
            await self._refuse(tx, user, proven.reason, attempt)
            return wrong_factor(claim)
        if not await tx.used_once.use("second_factor", pending.id, expires_at=pending.expires_at):
            return invalid_challenge()
        await self._throttle.succeeded(tx, attempt)
        return Both(user, (*proven.amr, "mfa"))

    @staticmethod
    async def _refuse(tx: Transaction, user: User, reason: str, attempt: Attempt) -> None:
        await record(tx, "sign_in_refused", user.id, actor="", reason=reason, where=attempt.where)

    async def _remember(self, tx: Transaction, user_id: str, device: str, where: Origin) -> None:
        await tx.devices.add(
            TrustedDevice(
                id=new_id("dev"),
                user_id=user_id,
                digest=digest_of(device),
                address=where.address,
                user_agent=where.user_agent,
                created_at=tx.now,
                expires_at=tx.now + self._settings.remember_device_days * _DAY,
            )
        )
        await record(tx, "device_remembered", user_id, where=where)


def wrong_factor(claim: Claim) -> Refusal:
    """The answer for a factor that is none; which of the many reasons it has, the log of events knows."""
    if isinstance(claim, PasskeyClaim):
        return invalid_passkey()
    return Refusal("invalid_code", "The code is wrong, or was used before.")


def _of(form: FactorForm) -> dict[str, Any]:
    """What the form holds, in the words of a call."""
    if form.passkey:
        return {"code": None, "recovery_code": None, "passkey": parse_object(form.passkey)}
    is_recovery_code = looks_like_one(form.code)
    return {
        "code": None if is_recovery_code else form.code,
        "recovery_code": form.code if is_recovery_code else None,
        "passkey": None,
    }
