"""Step-up (RFC 9470): somebody who is signed in proves once more who they are, and their next tokens say so.

Who has a second factor proves that one: the session shows the first already. Who has none gives the password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.factor_proofs import FactorRefused, PasskeyClaim
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.passwords.policy import MAX_LENGTH
from gatepass.server.domain.credentials.recovery_codes import looks_like_one
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.grant import TokenSubject  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.sessions.recent import second_factor_first, session_ended
from gatepass.server.domain.sessions.session import SINGLE_FACTOR, TWO_FACTORS
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import parse_object
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import Claim
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.web.call import Call


class Given(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One proof: the password, where there is no second factor; else a code, a recovery code or a passkey."""

    password: str | None = None
    code: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None


class ProvenAgain(Confidential, frozen=True, kw_only=True):
    """An access token that says so; the refresh token is the same as before. `expires_in` in seconds."""

    token: str
    token_type: str
    expires_in: int


class RequestOptions(msgspec.Struct, frozen=True):
    """What `navigator.credentials.get` takes as `publicKey`, as JSON."""

    public_key: dict[str, Any]


class ProofForm(PageForm, frozen=True, kw_only=True):
    """The page's form: the password, or the code or recovery code, or a passkey that the script fills in."""

    password: str = ""
    code: str = ""
    passkey: str = ""
    return_to: str = ""


class KnownProofs(Confidential, frozen=True, kw_only=True):
    """A password that was compared with the hash that there was."""

    password_hash: str | None
    is_right: bool


class Again(msgspec.Struct, frozen=True):
    """The session is as fresh as a new one; what its tokens say from now on, where one was asked for."""

    subject: TokenSubject | None
    now: float


class Reauthentication:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._hasher = core.hasher
        self._token_issuer = core.token_issuer
        self._proofs = core.proofs
        self._keys = core.keys
        self._throttle = core.throttle
        self._pages = core.pages
        self._settings = core.settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and its page."""
        return (
            Route(
                method="POST",
                path="/reauthenticate",
                handler=self.prove,
                auth=CALLER,
                summary="Prove again who I am, for a token with a new auth_time, and acr 2 by a second factor",
                body=Given,
                answers={200: ProvenAgain},
                problems=(
                    "invalid_credentials",
                    "invalid_code",
                    "invalid_passkey",
                    "passkeys_unavailable",
                    "second_factor_required",
                    "too_many_attempts",
                    "busy",
                ),
            ),
            Route(
                method="POST",
                path="/reauthenticate/options",
                handler=self.options,
                auth=CALLER,
                summary="What to ask a passkey for, to prove again who I am",
                answers={200: RequestOptions},
                problems=("passkeys_unavailable",),
            ),
            page("/pages/reauthenticate", self.show, CALLER),
            page_form("/pages/reauthenticate", self.submit, ProofForm, CALLER, show=self.show),
        )

    # ── JSON ──

    async def prove(self, call: Call, body: Given) -> Response:
        """Check the proof, and answer with a new access token of the same grant."""
        caller = call.caller
        again = await self._prove(call, caller.user, caller.session_id, body, status=caller.status)
        if again.subject is None:
            raise session_ended()
        subject = ClientPolicy.behind(again.subject, self._settings).today(again.subject)
        issued = await self._token_issuer.mint(subject, keys=self._keys.current, now=again.now)
        answer = ProvenAgain(token=issued.token, token_type=issued.token_type, expires_in=issued.expires_in)
        return JsonResponse(answer)

    async def options(self, call: Call, _body: None) -> Response:
        """Answer with the options for the person's passkeys."""
        caller = call.caller
        return JsonResponse(RequestOptions(await self._options(caller.user, caller.session_id)))

    # ── the page ──

    async def submit(self, call: Call, form: ProofForm) -> Response:
        """Check the proof and go on."""
        caller = call.caller
        await self._prove(call, caller.user, caller.session_id, _given(form))
        return self._pages.go_to(self._pages.return_path(form.return_to, self._pages.path("account")))

    async def show(self, call: Call, form: ProofForm | None, error: GatepassError | None = None) -> Response:
        """Show the form; who has nothing to prove it with signs in anew."""
        return_to = call.query.get("return_to", "") if form is None else form.return_to
        caller = call.caller
        user = caller.user

        async def unit(tx: Transaction) -> tuple[Factors, bool]:
            return await tx.factors.of(user.id), await tx.passwords.of(user.id) is not None

        factors, has_password = await self._database.read(unit)
        if not factors.are_asked and not has_password:
            query = self._pages.return_query(return_to)
            return self._pages.go_to(f"{self._pages.path('login')}?again=1{query}")
        asks_passkey = bool(factors.passkeys) and self._proofs.knows_passkeys
        return self._pages.page(
            call.request,
            "reauthenticate.html",
            error=error,
            return_to=self._pages.return_path(return_to, ""),
            kinds=factors.kinds,
            options=await self._options(user, caller.session_id) if asks_passkey else None,
            scripted=asks_passkey,
        )

    # ── what both do ──

    async def _options(self, user: User, session_id: str) -> Json:
        return await self._proofs.request_options("prove_again", session_id, user_id=user.id)

    async def _claim(self, call: Call, user: User, session_id: str, given: Given) -> KnownProofs | Claim:
        """Take the one proof that was given, as far as it can be computed."""
        if given.password is None:
            return await self._proofs.read(
                code=given.code,
                recovery_code=given.recovery_code,
                passkey=given.passkey,
                ceremony="prove_again",
                party=session_id,
            )
        if (given.code, given.recovery_code, given.passkey) != (None,) * 3 or len(given.password) > MAX_LENGTH:
            raise Refusal("invalid_body", "Send one proof.")
        where = call.origin

        async def unit(tx: Transaction) -> tuple[bool, str | None, float]:
            is_asked = (await tx.factors.of(user.id)).are_asked
            _, wait = await self._throttle.choose(tx, "password", user.email, where, browser=session_id)
            return is_asked, await tx.passwords.of(user.id), wait

        is_asked, password_hash, wait = await self._database.read(unit)
        if is_asked:
            raise second_factor_first()
        if wait:
            raise too_many_attempts(wait)
        is_right = await self._hasher.verify(given.password, password_hash)
        return KnownProofs(password_hash=password_hash, is_right=is_right)

    async def _prove(
        self, call: Call, user: User, session_id: str, given: Given, *, status: StatusIndex | None = None
    ) -> Again:
        """Use the proof up, and note in the session what it says from now on."""
        claim, where = await self._claim(call, user, session_id, given), call.origin
        kind, name = ("password", user.email) if isinstance(claim, KnownProofs) else ("factor", user.id)

        async def unit(tx: Transaction) -> Again | Refusal:
            attempt, wait = await self._throttle.choose(tx, kind, name, where, browser=session_id)
            if wait:
                return too_many_attempts(wait)
            session = await tx.sessions.live(session_id, tx.now)
            if session is None:
                return session_ended()
            amr = await self._settle(tx, user, claim, where)
            if amr is None:
                await self._throttle.failed(tx, attempt)
                return _wrong(claim)
            await self._throttle.succeeded(tx, attempt)
            acr = SINGLE_FACTOR if isinstance(claim, KnownProofs) else TWO_FACTORS
            every = tuple(dict.fromkeys((*session.amr, *amr)))
            await tx.sessions.prove_again(session_id, acr=acr, amr=every, now=tx.now)
            await record(tx, "proved_again", user.id, session_id=session_id, reason=" ".join(amr), where=where)
            subject = None if status is None else await tx.grants.bearer_at(status)
            return Again(subject, tx.now)

        return await decide(self._database, unit)

    async def _settle(
        self, tx: Transaction, user: User, claim: KnownProofs | Claim, where: Origin
    ) -> tuple[str, ...] | None:
        """What was proven, as `amr`; None when nothing was."""
        if not isinstance(claim, KnownProofs):
            proven = await self._proofs.consume(tx, user.id, claim, where)
            return None if isinstance(proven, FactorRefused) else (*proven.amr, "mfa")
        is_theirs = claim.is_right and await tx.passwords.of(user.id) == claim.password_hash
        return ("pwd",) if is_theirs and not (await tx.factors.of(user.id)).are_asked else None


def _wrong(claim: KnownProofs | Claim) -> Refusal:
    match claim:
        case KnownProofs():
            return Refusal("invalid_credentials", "The password is wrong.")
        case PasskeyClaim():
            return invalid_passkey()
        case _:
            return Refusal("invalid_code", "The code is wrong, or was used before.")


def _given(form: ProofForm) -> Given:
    """What the form holds, in the words of a call."""
    if form.passkey:
        return Given(passkey=parse_object(form.passkey))
    if not form.code:
        return Given(password=form.password)
    return Given(recovery_code=form.code) if looks_like_one(form.code) else Given(code=form.code)
