"""The pages between an authorization request and its answer: `/pages/authorize/{interaction}`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import quote

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.activating import active_organization
from gatepass.server.domain.sessions.authorization import (
    AskConsent,
    AuthorizationState,
    Choose,
    Issue,
    Refuse,
    SignIn,
    StepUp,
    next_step,
    resource_to_agree_to,
)
from gatepass.server.domain.sessions.authorization_request import OPENID
from gatepass.server.domain.sessions.client_documents import document_host
from gatepass.server.domain.sessions.consent import Consent
from gatepass.server.domain.sessions.interaction import INTERACTION_SECONDS, Interactions
from gatepass.server.domain.sessions.redirect_uri import form_target, host_of, is_loopback_uri
from gatepass.server.domain.sessions.scopes import scope_text
from gatepass.server.features.oauth.authorize.find import check_redirect_uri, client_by_id
from gatepass.server.features.oauth.authorize.issue_code import issue_code
from gatepass.server.features.oauth.authorize.respond import prepare, refuse, respond
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.authorization import Step
    from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import ActiveOrganization, RefreshCredential
    from gatepass.server.domain.sessions.interaction import Interaction
    from gatepass.server.domain.sessions.pushed_request import PushedRequest
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_PATH = "/pages/authorize/{interaction}"
_COOKIE_BYTES = 16
_COOKIE_SECONDS = 86_400
_REFUSALS = {
    "access_denied": "The person does not agree, or may not use this application.",
    "account_selection_required": "The person has to choose an account.",
    "consent_required": "The person has to agree.",
    "interaction_required": "The person has to see a page.",
    "login_required": "The person has to sign in.",
    "unmet_authentication_requirements": "The person has not proved who they are as strongly as is asked.",
}


class InteractionForm(PageForm, frozen=True, kw_only=True):
    """What a person decides on one of these pages, and the scopes that they have left ticked."""

    decision: str = ""
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """An interaction, with what is known at this moment of those who take part in it."""

    interaction: Interaction
    request: AuthorizationRequest
    client: Client
    caller: Caller | None
    consent: Consent | None
    organization: ActiveOrganization | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether a refusal may lead away at once: this person has agreed to it, or no page may be shown."""
        is_known = self.consent is not None and self.consent.was_shown(
            self.client.name, host_of(self.request.redirect_uri)
        )
        return is_known or "none" in self.request.prompt

    @property
    def is_of_the_reader(self) -> bool:
        """Whether who is signed in is who was shown the page."""
        return self.caller is not None and self.caller.session_id == self.interaction.shown_to


class AuthorizationPages:
    """Leads a person from an authorization request to its answer."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pages = core.pages
        self._sealed = Interactions(core.data_key)
        # Lax: people come here from the client's site.
        self._cookie = HostCookie("gatepass-interaction", core.settings, same_site="lax")

    def routes(self) -> tuple[Route, ...]:
        """The pages and their forms: one address, whatever is to be shown."""
        return (
            page(_PATH, self.show, ANYONE, show=self._refused),
            page_form(_PATH, self.submit, InteractionForm, ANYONE, show=self._refused),
        )

    # ── what comes in ──

    async def begin(self, call: Call, interaction: Interaction, client: Client) -> Response:
        """Answer a request that has just come in, or show the first page.

        Raises:
            Refusal: `invalid_request`, when it is too long to be carried through pages.
        """
        situation = await self._situation(call, interaction, client)
        if situation.caller is None and self._holds_cookies_back(call):
            return self._pages.page(call.request, "again.html", again=self._path(interaction))
        return await self._go_on(call, situation)

    async def show(self, call: Call, _body: None) -> Response:
        """Show what comes next in an interaction, to the browser that it belongs to."""
        interaction = self._open(call)
        if interaction is None:
            return self._start_again(call)
        situation = await self._situation(call, interaction)
        return await self._go_on(call, situation)

    async def submit(self, call: Call, form: InteractionForm) -> Response:
        """Do what the person has decided."""
        interaction = self._open(call)
        if interaction is None:
            return self._start_again(call)
        situation = await self._situation(call, interaction)
        match form.decision:
            case "cancel":
                return await self._refuse(call, situation, self._cancelled(situation))
            case "another":
                return self._to_sign_in(call, situation, SignIn(), another="1")
            case "continue" if situation.is_of_the_reader:
                chosen = msgspec.structs.replace(interaction, chosen=interaction.shown_to)
                return await self._go_on(call, replace(situation, interaction=chosen))
            case "allow" if situation.is_of_the_reader and isinstance(self._next(situation), AskConsent):
                return await self._allow(call, situation, form.scope)
            case _:
                return await self._go_on(call, situation)

    # ── what goes out ──

    def _cancelled(self, situation: Situation) -> Refuse:
        """What the client is told of a person who does not go on."""
        is_too_weak = isinstance(self._next(situation), StepUp)
        return Refuse("unmet_authentication_requirements" if is_too_weak else "access_denied")

    async def _go_on(self, call: Call, situation: Situation) -> Response:
        step = self._next(situation)
        match step:
            case Issue(scope):
                return await self._issue(call, situation, scope)
            case Refuse():
                return await self._refuse(call, situation, step)
            case SignIn():
                return self._to_sign_in(call, situation, step)
            case StepUp():
                return await self._to_step_up(call, situation)
            case Choose():
                return self._show(call, situation, "choose.html")
            case AskConsent():
                return self._show(call, situation, "consent.html", **await self._consent_values(call, situation))
            case _:
                assert_never(step)

    async def _issue(
        self, call: Call, situation: Situation, scope: tuple[str, ...], consent: Consent | None = None
    ) -> Response:
        assert situation.caller is not None
        await prepare(self._core, situation.client, situation.request)
        try:
            code = await issue_code(
                self._core,
                situation.interaction,
                situation.request,
                user=situation.caller.user,
                session_id=situation.caller.session_id,
                scope=scope,
                consent=consent,
            )
        except Refusal as error:
            if error.code != "interaction_used":
                raise
            return self._start_again(call, "interaction_used")
        return await respond(self._core, call, situation.client, situation.request, {"code": code})

    async def _allow(self, call: Call, situation: Situation, ticked: tuple[str, ...]) -> Response:
        """Remember what the person has agreed to, and answer with that."""
        request, caller = situation.request, situation.caller
        assert caller is not None
        scope = tuple(each for each in request.scope_to_agree_to if each == OPENID or each in ticked)
        consent = Consent(
            user_id=caller.user.id,
            client_id=request.client_id,
            client_name=situation.client.name,
            host=host_of(request.redirect_uri),
            scope=scope,
            resource=resource_to_agree_to(request, situation.client),
            given_at=0,
        )
        return await self._issue(call, situation, scope, consent)

    async def _refuse(self, call: Call, situation: Situation, step: Refuse) -> Response:
        error = Refusal(step.code, _REFUSALS[step.code])
        is_trusted = situation.is_trusted
        return await refuse(self._core, call, situation.client, situation.request, error, is_trusted=is_trusted)

    def _to_sign_in(self, call: Call, situation: Situation, step: SignIn, **query: str) -> Response:
        """Lead to the sign-in page, which leads back here."""
        bound, cookie = self._bound(call, situation.interaction)
        query["return_to"] = self._path(bound)
        if step.again:
            query["again"] = "1"
        if situation.request.login_hint:
            query["login_hint"] = situation.request.login_hint
        page = "signup" if step.create else "login"
        response = self._pages.go_to(self._pages.with_query(self._pages.path(page), query))
        self._cookie.put(response, cookie, _COOKIE_SECONDS)
        locales = situation.request.ui_locales
        self._pages.language.suggest(call.request, response, locales, seconds=INTERACTION_SECONDS)
        return response

    async def _to_step_up(self, call: Call, situation: Situation) -> Response:
        """Lead to where the second factor is asked, or to where one can be set up."""
        caller = situation.caller
        assert caller is not None

        async def unit(tx: Transaction) -> bool:
            return (await tx.factors.of(caller.user.id)).are_asked

        if not await self._core.database.read(unit):
            return self._show(call, situation, "step_up.html")
        bound, cookie = self._bound(call, situation.interaction)
        query = {"return_to": self._path(bound)}
        response = self._pages.go_to(self._pages.with_query(self._pages.path("reauthenticate"), query))
        self._cookie.put(response, cookie, _COOKIE_SECONDS)
        return response

    def _show(
        self,
        call: Call,
        situation: Situation,
        template: str,
        **values: Any,  # noqa: ANN401 - what the template says
    ) -> Response:
        """Show a page whose form belongs to this interaction and this browser."""
        request, caller = situation.request, situation.caller
        bound, cookie = self._bound(call, situation.interaction)
        bound = msgspec.structs.replace(bound, shown_to=caller.session_id if caller is not None else "")
        response = self._pages.page(
            call.request,
            template,
            action=self._path(bound),
            client=situation.client,
            host=host_of(request.redirect_uri),
            email=caller.user.email if caller is not None else "",
            **values,
        )
        response.form_target = form_target(request.redirect_uri)
        self._cookie.put(response, cookie, _COOKIE_SECONDS)
        locales = request.ui_locales
        self._pages.language.suggest(call.request, response, locales, seconds=INTERACTION_SECONDS)
        return response

    async def _refused(self, call: Call, _form: object, error: GatepassError) -> Response:
        """Say on a page what is wrong, and that the application is where to begin anew."""
        return self._pages.page(call.request, "refused.html", error=error, detail=error.detail)

    def _start_again(self, call: Call, code: str = "interaction_expired") -> Response:
        """Say that nothing can be done here: too old, answered before, or another browser's."""
        return self._pages.page(call.request, "refused.html", error=Refusal(code, ""), detail="")

    async def _consent_values(self, call: Call, situation: Situation) -> dict[str, object]:
        """What the page of consent says beside who asks."""
        request, known = situation.request, situation.consent
        before = known.scope if known is not None else ()
        apis = await self._core.apis.all()
        return {
            "scopes": [
                (scope, scope_text(scope, apis, self._pages.texts.of(call.language)), scope in before)
                for scope in request.scope_to_agree_to
                if scope != OPENID
            ],
            "resources": resource_to_agree_to(request, situation.client),
            "organization": situation.organization,
            "document_host": document_host(situation.client),
            "is_on_this_device": is_loopback_uri(request.redirect_uri),
        }

    # ── what is known ──

    async def _situation(self, call: Call, interaction: Interaction, client: Client | None = None) -> Situation:
        request = interaction.request or await self._pushed(interaction)
        client = client or await client_by_id(self._core, request.client_id, call.origin)
        check_redirect_uri(request.redirect_uri, client)  # what is sealed may be older than the client's last change
        credential = self._core.cookie_auth.credential(call.request)
        if credential is None:
            return Situation(interaction=interaction, request=request, client=client, caller=None, consent=None)
        caller, consent, organization = await self._core.database.read(partial(self._person, credential, request))
        if organization is not None:  # people agree to this one, whatever is called so later
            request = msgspec.structs.replace(request, organization=organization.id)
        return Situation(
            interaction=interaction,
            request=request,
            client=client,
            caller=caller,
            consent=consent,
            organization=organization,
        )

    async def _person(
        self, credential: RefreshCredential, request: AuthorizationRequest, tx: Transaction
    ) -> tuple[Caller | None, Consent | None, ActiveOrganization | None]:
        """Who is signed in, what they have agreed to, and the organization that is asked for, if they are a member."""
        caller = await self._core.cookie_auth.holder(credential, tx)
        if caller is None:
            return None, None, None
        organization = await active_organization(tx, caller.user.id, request.organization)
        if isinstance(organization, Refusal):
            organization = None
        return caller, await tx.consents.of(caller.user.id, request.client_id), organization

    async def _pushed(self, interaction: Interaction) -> AuthorizationRequest:
        """The request that was pushed.

        Raises:
            Refusal: `interaction_used`, when it was answered.
        """

        async def unit(tx: Transaction) -> PushedRequest | None:
            return await tx.pushed_requests.by_digest(interaction.pushed)

        pushed = await self._core.database.read(unit)
        if pushed is None:
            raise Refusal("interaction_used", "This request was answered before.")
        return pushed.request

    def _next(self, situation: Situation) -> Step:
        caller, client, interaction = situation.caller, situation.client, situation.interaction
        known = AuthorizationState(
            caller=caller,
            subject="" if caller is None else self._core.subjects.subject(client.sector, caller.user.id),
            consent=situation.consent,
            began_at=interaction.began_at,
            chosen=interaction.chosen,
            organization=situation.organization,
            now=self._core.clock(),
        )
        return next_step(situation.request, client, known)

    def _open(self, call: Call) -> Interaction | None:
        """The interaction of the path, if it is this browser's."""
        interaction = self._sealed.open(call.path_params["interaction"], now=self._core.clock())
        if interaction is None or not interaction.belongs_to(self._cookie.read(call.request)):
            return None
        return interaction

    def _bound(self, call: Call, interaction: Interaction) -> tuple[Interaction, str]:
        """The interaction for this browser alone, and the cookie that says which one this is."""
        cookie = self._cookie.read(call.request) or secrets.token_urlsafe(_COOKIE_BYTES)
        return interaction.bound_to(cookie), cookie

    def _path(self, interaction: Interaction) -> str:
        return self._pages.path(f"authorize/{quote(self._sealed.seal(interaction))}")

    @staticmethod
    def _holds_cookies_back(call: Call) -> bool:
        """Whether the browser comes from another site and so has not sent the session's cookie (SameSite=Strict).

        A page of ours that leads on finds out. Not in a frame, where no page of ours is shown.
        """
        headers = call.request.headers
        return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-dest") != "iframe"
