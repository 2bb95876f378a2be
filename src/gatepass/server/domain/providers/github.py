"""GitHub, which has no ID tokens: OAuth 2, and its API for the user's identity and email addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
import structlog

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.linked_identity import Claimed
from gatepass.server.domain.providers.openid import challenge_of, code_of, in_time, trade
from gatepass.server.domain.providers.provider import ProvenIdentity
from gatepass.verify.http_client import HttpxFetch, Post
from gatepass.verify.issuer import FetchError, checked_url
from gatepass.verify.oauth_client import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.settings.providers import ProviderSettings
    from gatepass.server.domain.providers.provider import Journey

log = structlog.get_logger("gatepass")

WEB = "https://github.com"
API = "https://api.github.com"
_SCOPES = ("read:user", "user:email")
_HTTP_OK = 200
_MAY_NOT_SEE = (403, 404)


class Address(msgspec.Struct, frozen=True):
    """One of the user's addresses, as in the API."""

    email: str
    primary: bool = False
    verified: bool = False


class GitHub:
    """`gatepass.server.domain.providers.provider.Provider`."""

    def __init__(self, provider_id: str, settings: ProviderSettings) -> None:
        self.id = provider_id
        self.name = settings.name or "GitHub"
        self._settings = settings
        self._web = settings.issuer or WEB
        checked_url(self._web, "issuer")
        self._api = API if self._web == WEB else f"{self._web}/api/v3"  # as GitHub Enterprise has it
        self._http = HttpxFetch(ca_file=settings.ca_file or None)

    async def way_there(self, journey: Journey, now: float) -> str:  # noqa: ARG002 - nothing is looked up
        """RFC 6749 §4.1.1 with PKCE."""
        query = {
            "client_id": self._settings.client_id,
            "redirect_uri": journey.redirect_uri,
            "scope": " ".join((*_SCOPES, *self._settings.scopes)),
            "state": journey.state,
            "code_challenge": challenge_of(journey.verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._web}/login/oauth/authorize?{urlencode(query)}"

    async def redeem(self, answer: Mapping[str, str], journey: Journey, now: float) -> ProvenIdentity:  # noqa: ARG002 - as above
        """Exchange the code for a token, and ask the API who the user is; the token is then discarded."""
        form = {
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret,
            "code": code_of(answer),
            "redirect_uri": journey.redirect_uri,
            "code_verifier": journey.verifier,
        }
        async with in_time():
            found = await trade(self._http, Post(f"{self._web}/login/oauth/access_token", form, {}), self._web)
            token = found.get("access_token")
            if not isinstance(token, str):  # it reports errors with status 200
                raise Refusal("provider_denied", "The provider did not confirm the sign-in.")
            claimed = await self._who(token)
        return ProvenIdentity(claimed=claimed, once="", until=0.0)

    async def check_id_token(self, token: str, *, nonce: str | None, now: float) -> ProvenIdentity:  # noqa: ARG002 - as above
        """GitHub has no ID tokens."""
        raise Refusal("invalid_id_token", "This provider has no ID tokens: use its sign-in page.")

    async def _who(self, token: str) -> Claimed:
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        user: dict[str, Any] = read_json(await self._http.get(f"{self._api}/user", headers), self._web)
        subject = user.get("id")
        if not isinstance(subject, int) or isinstance(subject, bool):
            raise FetchError(f"{self._web} did not say who it is")
        address = _best(await self._addresses(headers))
        return Claimed(
            provider=self.id,
            issuer=self._web,
            subject=str(subject),
            email=address.email,
            email_is_verified=address.verified,
        )

    async def _addresses(self, headers: dict[str, str]) -> list[Address]:
        """The user's addresses; none if the application may not see them, as a GitHub App without that permission.

        A connected user can sign in without one.
        """
        answer = await self._http.get(f"{self._api}/user/emails?per_page=100", headers)
        if answer.status in _MAY_NOT_SEE:
            log.warning("the provider does not let us see addresses", provider=self.id, status=answer.status)
            return []
        if answer.status != _HTTP_OK:
            raise FetchError(f"{self._web} answered {answer.status} when asked which addresses are theirs")
        try:
            return msgspec.json.decode(answer.body, type=list[Address])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise FetchError(f"{self._web} did not say which addresses are theirs") from None


def _best(addresses: list[Address]) -> Address:
    """The primary address if verified, or another verified one, or the primary one unverified."""
    primary = [each for each in addresses if each.primary]
    verified = [each for each in (*primary, *addresses) if each.verified]
    return next(iter((*verified, *primary)), Address(""))
