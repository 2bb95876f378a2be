"""`GET, POST /oauth/logout`: a client sends a browser here to be signed out (OpenID Connect RP-Initiated Logout 1.0).

Signing out is never refused: whatever is wrong with a request, its page says so, and the person can sign out there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.end_session_request import EndSessionRequest, EndSessionRequests
from gatepass.server.domain.sessions.interaction import INTERACTION_SECONDS
from gatepass.server.domain.sessions.redirect_uri import form_target, host_of, with_parameters
from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.features.oauth.authorize.parameters import parameters_of
from gatepass.server.features.oauth.authorize.respond import redirect
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.parsing import RawForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.authorize.parameters import Parameters
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route
    from gatepass.tokens.id_token import IdToken

PATH = "/oauth/logout"
_PAGE = "/pages/logout/{request}"
_LONGEST_STATE = 2_048


class SignOutForm(PageForm, frozen=True, kw_only=True):
    """The button of the page that asks."""


def routes(core: Core) -> tuple[Route, ...]:
    """The endpoint, by both methods (§2), and the page that it leads to."""
    pages = LogoutPages(core)
    return (
        page(PATH, pages.begin, ANYONE),
        page_form(PATH, pages.begin, RawForm, ANYONE, from_elsewhere=True),
        page(_PAGE, pages.show, ANYONE),
        page_form(_PAGE, pages.submit, SignOutForm, ANYONE),
    )


class LogoutPages:
    """Leads a browser from a logout request to where its client wants it afterwards."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pages = core.pages
        self._sealed = EndSessionRequests(core.data_key)

    # ── what comes in ──

    async def begin(self, call: Call, form: RawForm | None) -> Response:
        """Check the request, and lead on to its page.

        That takes a page of ours: browsers send the session's cookie (SameSite=Strict) only with what comes from here,
        and the body of a POST is not sent twice.
        """
        try:
            parameters = parameters_of(call.request.scope["query_string"], form)
            locales = parameters.words("ui_locales")
            request = await self._checked(parameters)
        except Refusal as error:
            locales, request = (), _bad_request(error, self._core.clock())
        response = self._pages.page(call.request, "again.html", again=self._path(request))
        self._pages.language.suggest(call.request, response, locales, seconds=INTERACTION_SECONDS)
        return response

    async def show(self, call: Call, _body: None) -> Response:
        """Sign the person out whom the client has named, and lead back; ask them first in every other case."""
        if (page_first := self._pages.come_again(call.request)) is not None:
            return page_first
        request = self._open(call)
        client, caller = await self._client(request), await self._core.cookie_auth.of(call.request)
        if not request.problem and caller is None:
            return self._lead_on(call, request, client)
        if caller is not None and self._is_named(request, client, caller) and _is_navigation(call):
            return await self._sign_out(call, request, client, caller)
        return self._ask(call, request, client, caller)

    async def submit(self, call: Call, _form: SignOutForm) -> Response:
        """Sign the person out, as they have asked themselves."""
        request = self._open(call)
        client, caller = await self._client(request), await self._core.cookie_auth.of(call.request)
        if caller is None:
            return self._lead_on(call, request, client)
        return await self._sign_out(call, request, client, caller)

    # ── what is checked ──

    async def _checked(self, parameters: Parameters) -> EndSessionRequest:
        """Check a request (§2, §3).

        Raises:
            Refusal: whose code is a `EndSessionProblem`.
        """
        if parameters.repeated or len(parameters.get("state")) > _LONGEST_STATE:
            raise Refusal("invalid_request", "A parameter stands twice, or is too long.")
        hint = self._read_hint(parameters.get("id_token_hint"))
        client_id = parameters.get("client_id")
        if hint is not None and client_id not in ("", hint.aud):
            raise Refusal("invalid_id_token_hint", "The id_token_hint was given to another client.")
        client_id = client_id if hint is None else hint.aud
        client = await self._known(client_id)
        if client_id and client is None:
            raise Refusal("unknown_client", "There is no such client.")
        redirect_uri = parameters.get("post_logout_redirect_uri")
        if redirect_uri and (client is None or redirect_uri not in client.metadata.post_logout_redirect_uris):
            raise Refusal("invalid_redirect_uri", "The client has not registered this post_logout_redirect_uri.")
        return EndSessionRequest(
            began_at=self._core.clock(),
            client_id=client_id,
            redirect_uri=redirect_uri,
            state=parameters.values.get("state"),
            subject="" if hint is None else hint.sub,
            sid="" if hint is None else hint.sid or "",
        )

    def _read_hint(self, hint: str) -> IdToken | None:
        """An ID token of ours; however old it is, and whoever was given it (§4)."""
        if not hint:
            return None
        try:
            return self._core.id_token_issuer.read_hint(hint, self._core.keys.current, client_id=None)
        except JoseError as error:
            raise Refusal("invalid_id_token_hint", "The id_token_hint is no ID token of this server.") from error

    async def _known(self, client_id: str) -> Client | None:
        client = await self._core.clients.by_id(client_id) if client_id else None
        return None if client is None or client.disabled_at is not None else client

    def _is_named(self, request: EndSessionRequest, client: Client | None, caller: Caller) -> bool:
        """Whether the client's ID token is about this person's session in this browser."""
        if client is None:
            return False
        subjects = self._core.subjects
        subject = subjects.subject(client.sector, caller.user.id)
        return request.is_about(subject, subjects.session(client.sector, caller.sid))

    # ── what goes out ──

    async def _sign_out(
        self, call: Call, request: EndSessionRequest, client: Client | None, caller: Caller
    ) -> Response:
        """End the session, and what hangs on it, before the browser hears of it."""
        origin = call.origin

        async def unit(tx: Transaction) -> None:
            await end_session(tx, caller.session_id, caller.user.id, "logout", where=origin)

        await self._core.database.transaction(unit, about=caller.user.id)
        response = self._lead_on(call, request, client)
        self._core.browser.clear_cookie(call.request, response)
        return response

    def _lead_on(self, call: Call, request: EndSessionRequest, client: Client | None) -> Response:
        """Go where the client has asked; by a button, where anyone may have written the link (RFC 9700 §4.11)."""
        if client is None or not request.redirect_uri:
            return self._pages.message(call.request, "signed_out", next_path=self._pages.path("login"))
        answer = "" if request.state is None else urlencode({"state": request.state})
        url = with_parameters(request.redirect_uri, answer) if answer else request.redirect_uri
        if request.subject or not client.is_self_registered:
            return redirect(url)
        host = host_of(request.redirect_uri)
        return self._pages.page(call.request, "leave.html", name=client.name, host=host, leads_to=url)

    def _ask(self, call: Call, request: EndSessionRequest, client: Client | None, caller: Caller | None) -> Response:
        """Ask whoever is signed in, and say what is wrong with the request, if anything is."""
        response = self._pages.page(
            call.request,
            "logout.html",
            error=Refusal(request.problem, "") if request.problem else None,
            name=client.name if client is not None else "",
            email=caller.user.email if caller is not None else "",
            action=self._path(request),
        )
        if request.problem:
            response.status_code = 400
        if request.redirect_uri:
            response.form_target = form_target(request.redirect_uri)
        return response

    # ── the page's URL ──

    async def _client(self, request: EndSessionRequest) -> Client | None:
        return await self._known(request.client_id)

    def _open(self, call: Call) -> EndSessionRequest:
        """The request of the path; one that is too old, or none of ours, asks for nothing."""
        request = self._sealed.open(call.path_params["request"], now=self._core.clock())
        return request or EndSessionRequest(began_at=self._core.clock())

    def _path(self, request: EndSessionRequest) -> str:
        return self._pages.path(f"logout/{quote(self._sealed.seal(request))}")


def _is_navigation(call: Call) -> bool:
    """Whether a person has come here, and no picture, frame or program that looks ahead."""
    headers = call.request.headers
    is_document = headers.get("sec-fetch-dest", "document") == "document"
    return is_document and "sec-purpose" not in headers


def _bad_request(error: Refusal, now: float) -> EndSessionRequest:
    return EndSessionRequest(began_at=now, problem=error.code)  # type: ignore[arg-type]  # each is a `EndSessionProblem`
