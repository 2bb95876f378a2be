"""One request, as a feature sees it: caller, origin, language, and what tokens it requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.caller import Caller, OpenIdCaller
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.operator import Operator
from gatepass.server.domain.sessions.token_session import TokenSession
from gatepass.server.web.auth.requirements import found
from gatepass.tokens.refresh_token import RefreshToken

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request

    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.cookies import HostCookie
    from gatepass.server.web.known_browsers import KnownBrowsers
    from gatepass.server.web.language import LanguageChoice
    from gatepass.server.web.token_requests import TokenRequestPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """The readers that every call uses."""

    address: ClientAddress
    request_policy: TokenRequestPolicy
    language: LanguageChoice
    trusted_device: HostCookie
    known_browsers: KnownBrowsers


class Call(msgspec.Struct, frozen=True):  # made for each request, four times as fast as a frozen dataclass
    """An authenticated request. Everything else is read on demand."""

    request: Request
    context: CallContext

    # ── the caller, as the route's `auth` requires ──

    @property
    def caller(self) -> Caller:
        """The user, if the route requires one."""
        caller = found(self.request)
        assert isinstance(caller, Caller)
        return caller

    @property
    def openid_caller(self) -> OpenIdCaller:
        """Whom the access token of a client is about, where the route asks for one with the scope `openid`."""
        caller = found(self.request)
        assert isinstance(caller, OpenIdCaller)
        return caller

    @property
    def operator(self) -> Operator:
        """Who administers, where the route asks for an operator."""
        operator = found(self.request)
        if isinstance(operator, Caller):  # at a page of the console
            return Operator(id=operator.user.id, kind="person")
        assert isinstance(operator, Operator)
        return operator

    @property
    def session(self) -> TokenSession:
        """The session of the presented token, if the route requires one."""
        session = found(self.request)
        assert isinstance(session, TokenSession)
        return session

    @property
    def refresh_token(self) -> RefreshToken:
        """The presented refresh token, if the route requires one."""
        token = found(self.request)
        assert isinstance(token, RefreshToken)
        return token

    @property
    def client(self) -> Client:
        """The registered client, if the route requires one."""
        client = found(self.request)
        assert isinstance(client, Client)
        return client

    # ── its origin ──

    @property
    def origin(self) -> Origin:
        """The client's address and user agent."""
        return self.context.address.where(self.request)

    @property
    def language(self) -> str:
        """The language to answer in."""
        return self.context.language.of(self.request)

    @property
    def device(self) -> str:
        """The cookie value of a trusted device; empty if there is none."""
        return self.context.trusted_device.read(self.request)

    def browser_of(self, user_id: str, password: bytes) -> str:
        """The id of a browser in which this account was signed in to with this password; empty otherwise."""
        known = self.context.known_browsers
        return known.name_in(known.read(self.request), user_id, password)

    # ── what it requests ──

    @property
    def query(self) -> QueryParams:
        """The parameters of the URL."""
        return self.request.query_params

    @property
    def path_params(self) -> dict[str, str]:
        """The parameters of the path."""
        return self.request.path_params

    async def token_request(
        self,
        *,
        client_id: str | None = None,
        audience: str | None = None,
        scope: str | None = None,
        organization: str = "",
        cookie: bool = False,
    ) -> TokenRequest:
        """The requested tokens. Raises as `TokenRequestPolicy.check`."""
        return await self.context.request_policy.check(
            self.request, client_id=client_id, audience=audience, scope=scope, organization=organization, cookie=cookie
        )
