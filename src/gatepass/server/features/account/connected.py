"""The accounts at other sites that open a person's account here: listed, connected, disconnected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route, page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.linked_identity import Identity
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class IdentityShown(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a provider, and the address that it had there last. Times in seconds since 1970."""

    id: str
    provider: str
    email: str
    created_at: int
    used_at: int | None


class IdentitiesShown(msgspec.Struct, frozen=True):
    """Every account elsewhere that opens the caller's."""

    identities: tuple[IdentityShown, ...]


class ConnectRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ID token that the application has been given by the provider, and the `nonce` that it had sent there."""

    provider: str
    id_token: str
    nonce: str | None = None


class ConnectForm(PageForm, frozen=True, kw_only=True):
    """The button of a provider."""

    provider: str = ""


class DisconnectForm(PageForm, frozen=True, kw_only=True):
    """The button beside an account."""

    id: str = ""


class Connected:
    """The flow."""

    def __init__(self, core: Core) -> None:
        self._database = core.database
        self._linking = core.linking
        self._redirects = core.redirects
        self._notices = core.notices
        self._pages = core.pages

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and pages."""
        return (
            Route(
                method="GET",
                path="/account/identities",
                handler=self.show,
                auth=CALLER,
                summary="The accounts elsewhere that open mine",
                answers={200: IdentitiesShown},
            ),
            Route(
                method="POST",
                path="/account/identities",
                handler=self.connect,
                auth=RECENT,
                summary="Connect an account elsewhere by its ID token",
                body=ConnectRequest,
                answers={201: IdentityShown},
                problems=(
                    "unknown_provider",
                    "invalid_id_token",
                    "provider_denied",
                    "provider_unavailable",
                    "identity_taken",
                    "too_many_identities",
                ),
            ),
            Route(
                method="DELETE",
                path="/account/identities/{id}",
                handler=self.disconnect,
                auth=RECENT,
                summary="Disconnect an account elsewhere",
                answers={204: None},
                problems=("identity_not_found", "last_way_in"),
            ),
            page("/pages/account/identities", self.show_page, RECENT),
            page_form(
                "/pages/account/identities/connect", self.submit_connect, ConnectForm, RECENT, show=self.show_page
            ),
            page_form(
                "/pages/account/identities/remove", self.submit_disconnect, DisconnectForm, RECENT, show=self.show_page
            ),
        )

    # ── JSON ──

    async def show(self, call: Call, _body: None) -> Response:
        """Answer with all that there are."""
        user = call.caller.user
        return JsonResponse(IdentitiesShown(tuple(map(_shown, await self._of(user)))))

    async def connect(self, call: Call, body: ConnectRequest) -> Response:
        """Connect one."""
        caller = call.caller
        proven = await self._linking.check_id_token(body.provider, body.id_token, body.nonce)
        where, language = call.origin, call.language
        identity = await self._linking.connect(
            caller.user, caller.session_id, proven.claimed, where=where, language=language, proven=proven
        )
        return JsonResponse(_shown(identity), 201)

    async def disconnect(self, call: Call, _body: None) -> Response:
        """Disconnect one."""
        caller = call.caller
        where = call.origin
        await self._disconnect(call.path_params["id"], caller.user, caller.session_id, where)
        return no_content()

    # ── pages ──

    async def show_page(self, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
        """Show what is connected, and what could be."""
        identities = await self._of(call.caller.user)
        found = [(each, self._linking.name_of(each.provider)) for each in identities]
        return self._pages.page(
            call.request, "identities.html", error=error, identities=found, providers=self._linking.shown
        )

    async def submit_connect(self, call: Call, form: ConnectForm) -> Response:
        """Send the owner to the provider, by a page that goes there: a form of ours may be answered by us only.

        It takes a form, which no other site can send: else one could have its own account connected to this one.
        """
        caller = call.caller
        journey = self._redirects.new(form.provider)
        url = await self._linking.way_there(form.provider, journey)
        response = self._pages.page(call.request, "again.html", again=url)
        await self._redirects.begin(response, form.provider, journey, return_to="", connect_to=caller.user.id)
        return response

    async def submit_disconnect(self, call: Call, form: DisconnectForm) -> Response:
        """Disconnect one, and show the others."""
        caller = call.caller
        await self._disconnect(form.id, caller.user, caller.session_id, call.origin)
        return self._pages.go_to(self._pages.path("account/identities"))

    # ── what both do ──

    async def _of(self, user: User) -> list[Identity]:
        async def unit(tx: Transaction) -> list[Identity]:
            return await tx.identities.of(user.id)

        return await self._database.read(unit)

    async def _disconnect(self, identity_id: str, user: User, session_id: str, where: Origin) -> None:
        """Disconnect one, unless nothing else would open the account then."""

        async def unit(tx: Transaction) -> Refusal | None:
            if refused := await check_still(tx, user, session_id):
                return refused
            identities = {each.id: each for each in await tx.identities.of(user.id)}
            if identity_id not in identities:
                return Refusal("identity_not_found", "You have no such account connected.")
            if len(identities) == 1 and not await self._opens_otherwise(tx, user):
                return Refusal("last_way_in", "Nothing else opens your account: set a password or add a passkey first.")
            await tx.identities.remove(identity_id, user.id)
            reason = identities[identity_id].provider
            await record(tx, "provider_disconnected", user.id, reason=reason, where=where)
            return None

        await decide(self._database, unit)

    async def _opens_otherwise(self, tx: Transaction, user: User) -> bool:
        """Whether the person can sign in by password, passkey or mail."""
        if self._notices.can_send or await tx.passwords.of(user.id) is not None:
            return True
        return (await tx.factors.of(user.id)).passkeys > 0


def _shown(identity: Identity) -> IdentityShown:
    return IdentityShown(
        id=identity.id,
        provider=identity.provider,
        email=identity.email,
        created_at=int(identity.created_at),
        used_at=None if identity.used_at is None else int(identity.used_at),
    )
