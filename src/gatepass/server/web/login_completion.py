"""Where every way in ends: whoever has proved a first thing, by password, mail, passkey or another site, comes here.

If the person has a second factor and the proof is not of two already, a challenge is answered instead of a session.
It holds all that the way in has found out, sealed; so it is kept nowhere, and only the use of it is written down.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.factors import FactorKind  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.credentials.trusted_devices import digest_of as device_digest
from gatepass.server.domain.keys.sealed_box import SealedBox
from gatepass.server.domain.sessions.open import (  # msgspec reads annotations
    Opened,
    TokenRequest,  # noqa: TC001 - as above
    open_session,
    password_digest,
)
from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.domain.sessions.session import TWO_FACTORS
from gatepass.server.web.auth.dpop import use_proof
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.errors import Problem, problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.open import Authentication
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.auth.cookie import CookieAuth
    from gatepass.server.web.known_browsers import KnownBrowsers
    from gatepass.server.web.pages import Pages
    from gatepass.server.web.token_responses import TokenIssuer

CHALLENGE_SECONDS = 300
_ID_BYTES = 16


class Pending(Confidential, frozen=True, kw_only=True):
    """A sign-in that waits for its second factor. `password` is a digest of the hash that the account had then.

    A new password makes the challenge worthless, as it ends the sessions.
    """

    id: str
    user_id: str
    token_request: TokenRequest
    amr: tuple[str, ...]
    password: bytes
    expires_at: float


class FactorDue(Confidential, frozen=True, kw_only=True):
    """A second factor is asked; `expires_in` in seconds."""

    challenge: str
    factors: tuple[FactorKind, ...]
    expires_in: int
    in_cookie: bool


LoginResult: TypeAlias = Opened | FactorDue


class SecondFactorRequired(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """What to send to `/login/factor`: the challenge, and one of these factors within so many seconds."""

    challenge: str = ""
    factors: tuple[FactorKind, ...] = ()
    expires_in: int = 0


class LoginCompletion:
    """Lets people in."""

    def __init__(  # noqa: PLR0913 - all that an answer needs
        self,
        database: Database,
        data_key: DataKey,
        token_issuer: TokenIssuer,
        *,
        keys: LiveKeys,
        address: ClientAddress,
        pages: Pages,
        cookie_auth: CookieAuth,
        known_browsers: KnownBrowsers,
        settings: Settings,
    ) -> None:
        self._database = database
        self._challenges = SealedBox(Pending, data_key, "second factor")
        self._token_issuer = token_issuer
        self._keys = keys
        self._address = address
        self._pages = pages
        self._cookie_auth = cookie_auth
        self.known_browsers = known_browsers
        self._max_seconds = settings.session_max_seconds
        # Lax: a sign-in at another site ends with a link from there, and goes on with these.
        self.device_cookie = HostCookie("gatepass-device", settings, same_site="lax")
        self.challenge_cookie = HostCookie("gatepass-challenge", settings, same_site="lax")

    # ── inside the transaction of the way in ──

    async def enter(  # noqa: PLR0913 - what a session is made of, and the device
        self,
        tx: Transaction,
        user: User,
        *,
        token_request: TokenRequest,
        proof: Authentication,
        status: StatusIndex,
        device: str,
    ) -> LoginResult | Refusal:
        """Open a session, or ask for the second factor. `device` is what `device_of` found."""
        if token_request.proof is not None and (refused := await use_proof(tx, token_request.proof)):
            return refused
        factors = await tx.factors.of(user.id)
        if factors.are_asked and proof.acr != TWO_FACTORS and not await self._is_remembered(tx, user, device):
            pending = Pending(
                id=os.urandom(_ID_BYTES).hex(),
                user_id=user.id,
                token_request=msgspec.structs.replace(token_request, proof=None),
                amr=proof.amr,
                password=await password_digest(tx, user.id),
                expires_at=tx.now + CHALLENGE_SECONDS,
            )
            return FactorDue(
                challenge=self._challenges.seal(pending),
                factors=factors.kinds,
                expires_in=CHALLENGE_SECONDS,
                in_cookie=token_request.cookie,
            )
        return await open_session(
            tx, user, token_request=token_request, proof=proof, status=status, max_seconds=self._max_seconds
        )

    @staticmethod
    async def _is_remembered(tx: Transaction, user: User, device: str) -> bool:
        return bool(device) and await tx.devices.knows(user.id, device_digest(device), tx.now)

    # ── around it ──

    def device_of(self, request: Request) -> str:
        """What the browser's cookie of a remembered device holds; empty when there is none."""
        return self.device_cookie.read(request)

    async def answer(self, result: LoginResult) -> Response:
        """Answer a call: with the session's first tokens, or with the challenge.

        In cookie mode the challenge is a cookie besides, and worth nothing in a browser without it: nobody can be made
        to end what somebody else has begun.
        """
        if isinstance(result, Opened):
            response = await self._token_issuer.answer_first(result, keys=self._keys.current)
            if result.refresh_token.in_cookie:
                self.known_browsers.keep(response, result.bearer.user_id, result.password)
            return response
        due = {"challenge": result.challenge, "factors": result.factors, "expires_in": result.expires_in}
        response = problem("second_factor_required", "Send one of the factors to /login/factor.", extra=due)
        if result.in_cookie:
            self.challenge_cookie.put(response, result.challenge, result.expires_in)
        return response

    async def go_on(self, request: Request, result: LoginResult, return_to: str) -> Response:
        """Answer a page: go on signed in, or to where the second factor is asked."""
        path = self._pages.return_path(return_to, self._pages.path("account"))
        if isinstance(result, FactorDue):
            query = self._pages.return_query(path).removeprefix("&")
            response = self._pages.go_to(f"{self._pages.path('login/factor')}?{query}")
            self.challenge_cookie.put(response, result.challenge, result.expires_in)
            return response
        await self._replace(request, result)
        response = self._pages.go_to(path)
        self._token_issuer.set_cookie(response, result, keys=self._keys.current)
        self.known_browsers.keep(response, result.bearer.user_id, result.password)
        self._pages.rename_browser(response)
        return response

    def read(self, challenge: str, now: float) -> Pending:
        """Open a challenge.

        Raises:
            Refusal: `invalid_challenge`, when it is not one of ours, or too old.
        """
        pending = self._challenges.open(challenge)
        if pending is None or pending.expires_at <= now:
            raise invalid_challenge()
        return pending

    async def _replace(self, request: Request, opened: Opened) -> None:
        """End the session that this browser had before, if it was the same person's: its cookie is gone now."""
        before = await self._cookie_auth.of(request)
        if before is None or before.user.id != opened.bearer.user_id:
            return

        async def unit(tx: Transaction) -> None:
            await end_session(tx, before.session_id, before.user.id, "replaced", where=self._address.where(request))

        await self._database.transaction(unit)


def invalid_challenge() -> Refusal:
    """The one answer for every challenge that nothing can be done with."""
    return Refusal("invalid_challenge", "The challenge is too old, used, or another browser's: sign in again.")
