"""Signing in at another site: there, back, and connecting the account there with one that was here before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import GatepassError, Refusal
from gatepass.server.domain.accounts.identity_linking import Existing, ProviderShown  # noqa: TC001 - as below
from gatepass.server.domain.accounts.linked_identity import Claimed  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.provider_redirects import JOURNEY_SECONDS, SealedCookie
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.provider_redirects import PendingRedirect

_ANSWER = ("state", "code", "iss", "error")
"""What counts in an answer (RFC 6749 §4.1.2, RFC 9207); the rest is nobody's business."""
_LONGEST_PATH = 1_024
"""A cookie holds 4,096 octets (RFC 6265 §6.1), and this one more than where to go on."""
_MOST = 4_096
"""Characters of a code, and of everything else that a provider may send along."""


class ProvidersShown(msgspec.Struct, frozen=True):
    """The providers that people can sign in with."""

    providers: tuple[ProviderShown, ...]


class AnswerForm(Confidential, frozen=True, kw_only=True):
    """The answer of a provider that has it sent as a form (OAuth 2.0 Form Post Response Mode)."""

    state: str = ""
    code: str = ""
    iss: str = ""
    error: str = ""


class ConnectAtLoginForm(PageForm, frozen=True, kw_only=True):
    """A form of one button."""


class PendingConnection(Confidential, frozen=True, kw_only=True):
    """An account elsewhere that is to be connected once its owner has proved the account here."""

    claimed: Claimed
    return_to: str
    expires_at: float


class SocialLogin:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._linking = core.linking
        self._redirects = core.redirects
        self._login_responses = core.login_responses
        self._recent_auth = core.recent_auth
        self._pages = core.pages
        self._waiting = SealedCookie("gatepass-connect", PendingConnection, core.data_key, core.settings)

    def routes(self) -> tuple[Route, ...]:
        """The flow's call and pages."""
        return (
            Route(
                method="GET",
                path="/login/providers",
                handler=self.providers,
                auth=ANYONE,
                summary="Other sites to sign in with",
                answers={200: ProvidersShown},
            ),
            page("/pages/login/with/{provider}", self.start, ANYONE),
            page("/pages/login/callback/{provider}", self.come_back, ANYONE),
            page_form("/pages/login/callback/{provider}", self.take_form, AnswerForm, ANYONE, from_elsewhere=True),
            page("/pages/login/connect", self.show_connect, RECENT),
            page_form("/pages/login/connect", self.submit_connect, ConnectAtLoginForm, RECENT),
        )

    # ── JSON ──

    async def providers(self, _call: Call, _body: None) -> Response:
        """Answer with what an application may offer."""
        return JsonResponse(ProvidersShown(self._linking.shown))

    # ── there ──

    async def start(self, call: Call, _body: None) -> Response:
        """Send the browser to the provider."""
        provider_id = call.path_params["provider"]
        self._linking.provider(provider_id)
        journey = self._redirects.new(provider_id)
        try:
            response = self._pages.go_to(await self._linking.way_there(provider_id, journey))
        except GatepassError as error:
            return self._pages.error_page(call.request, error, again=self._pages.path("login"))
        return_to = self._pages.return_path(call.query.get("return_to", "")[:_LONGEST_PATH], "")
        await self._redirects.begin(response, provider_id, journey, return_to=return_to)
        return response

    # ── and back ──

    async def take_form(self, call: Call, form: AnswerForm) -> Response:
        """Take an answer as if it had come by a link: with a form from elsewhere browsers send no cookie of ours."""
        answer = {name: value for name in _ANSWER if (value := getattr(form, name))}
        path = self._pages.path(f"login/callback/{call.path_params['provider']}")
        return self._pages.go_to(self._pages.with_query(path, answer))

    async def come_back(self, call: Call, _body: None) -> Response:
        """Take the provider's answer."""
        if (page_first := self._pages.come_again(call.request)) is not None:
            return page_first
        query, provider_id = call.query, call.path_params["provider"]
        again = self._pages.path("login")
        try:
            if any(len(query.getlist(name)) > 1 or len(query.get(name, "")) > _MOST for name in _ANSWER):
                raise Refusal("invalid_state", "The answer is not one.")
            answer = {name: query[name] for name in _ANSWER if name in query}
            pending = await self._redirects.end(call.request, provider_id, answer)
            if pending.connect_to:
                again = self._pages.path("account/identities")
                response = await self._connect(call, answer, pending)
            else:
                response = await self._sign_in(call, answer, pending)
        except GatepassError as error:
            response = self._pages.page(call.request, "error.html", error=error, again=again, here="")
        self._redirects.drop(response)
        return response

    async def _sign_in(self, call: Call, answer: dict[str, str], pending: PendingRedirect) -> Response:
        token_request = await call.token_request(cookie=True)
        proven = await self._linking.redeem(pending.provider, answer, pending.journey)
        where, device = call.origin, call.device
        result = await self._linking.sign_in(
            proven, token_request=token_request, where=where, device=device, language=call.language
        )
        if isinstance(result, Existing):
            return self._ask_to_connect(call, result, pending)
        return await self._login_responses.go_on(call.request, result, pending.return_to)

    async def _connect(self, call: Call, answer: dict[str, str], pending: PendingRedirect) -> Response:
        """Connect what the provider says to the account of whoever is signed in, and has begun this."""
        visitor = await self._recent_auth.visitor(call.request)
        if not isinstance(visitor, Caller):
            return visitor
        if visitor.user.id != pending.connect_to:
            raise Refusal("invalid_state", "Somebody else has signed in meanwhile.")
        proven = await self._linking.redeem(pending.provider, answer, pending.journey)
        await self._linking.connect(
            visitor.user,
            visitor.session_id,
            proven.claimed,
            where=call.origin,
            language=call.language,
            proven=proven,
        )
        return self._pages.go_to(self._pages.path("account/identities"))

    # ── connecting what was here before ──

    def _ask_to_connect(self, call: Call, existing: Existing, pending: PendingRedirect) -> Response:
        """Say that the address has an account here, and keep what the provider said until its owner has signed in."""
        sign_in = self._pages.with_query(self._pages.path("login"), {"return_to": self._pages.path("login/connect")})
        values = {"email": existing.email}
        response = self._pages.page(
            call.request, "message.html", key="account_exists", next_path=sign_in, values=values, here=""
        )
        waiting = PendingConnection(
            claimed=existing.claimed, return_to=pending.return_to, expires_at=pending.expires_at + JOURNEY_SECONDS
        )
        self._waiting.put(response, waiting, JOURNEY_SECONDS)
        return response

    async def show_connect(self, call: Call, _body: None) -> Response:
        """Ask whoever has proved the account here whether the two are to be connected."""
        caller = call.caller
        waiting = await self._still_waiting(call)
        return self._pages.page(
            call.request,
            "connect.html",
            provider=self._linking.name_of(waiting.claimed.provider),
            theirs=waiting.claimed.email,
            email=caller.user.email,
        )

    async def submit_connect(self, call: Call, _form: ConnectAtLoginForm) -> Response:
        """Connect them."""
        caller = call.caller
        waiting = await self._still_waiting(call)
        where, language = call.origin, call.language
        await self._linking.connect(caller.user, caller.session_id, waiting.claimed, where=where, language=language)
        response = self._pages.go_to(self._pages.return_path(waiting.return_to, self._pages.path("account/identities")))
        self._waiting.drop(response)
        return response

    async def _still_waiting(self, call: Call) -> PendingConnection:
        waiting = self._waiting.read(call.request)
        if waiting is None or waiting.expires_at <= await self._database.read(_now):
            raise Refusal("invalid_state", "Nothing is waiting to be connected: sign in with the provider again.")
        return waiting


async def _now(tx: Transaction) -> float:
    return tx.now
