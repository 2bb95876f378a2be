"""Redirects to a provider and back: their state is in a sealed cookie, so that only the same browser can complete them.

Nothing is stored when a redirect starts. On return, the `state` is marked as used before any request is made.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.one_time_code import new_token
from gatepass.server.domain.keys.sealed_box import SealedBox
from gatepass.server.domain.ports import decide
from gatepass.server.domain.providers.provider import Journey
from gatepass.server.web.cookies import HostCookie

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.pages import Pages

JOURNEY_SECONDS = 600
S = TypeVar("S", bound=msgspec.Struct)


class SealedCookie(Generic[S]):
    """A sealed cookie with an expiry. SameSite=Lax, because users return by a link."""

    def __init__(self, name: str, kind: type[S], data_key: DataKey, settings: Settings) -> None:
        self._cookie = HostCookie(name, settings, same_site="lax")
        self._box = SealedBox(kind, data_key, name)

    def put(self, response: Response, content: S, seconds: int) -> None:
        """Set it in a browser."""
        self._cookie.put(response, self._box.seal(content), seconds)

    def read(self, request: Request) -> S | None:
        """The browser's value; None if there is none of ours."""
        return self._box.open(self._cookie.read(request))

    def drop(self, response: Response) -> None:
        """Delete it."""
        self._cookie.drop(response)


class PendingRedirect(Confidential, frozen=True, kw_only=True):
    """A redirect in progress; `connect_to` is the user whose account is to be connected, empty for signing in."""

    provider: str
    journey: Journey
    return_to: str
    connect_to: str
    expires_at: float


class ProviderRedirects:
    """Starts and completes redirects to providers."""

    def __init__(self, database: Database, data_key: DataKey, pages: Pages, settings: Settings) -> None:
        self._database = database
        self._pages = pages
        self._cookie = SealedCookie("gatepass-provider", PendingRedirect, data_key, settings)

    def new(self, provider_id: str) -> Journey:
        """Make the secrets of a redirect. Each provider has its own redirect URI (RFC 9700 §4.4.2.2)."""
        return Journey(
            state=new_token(),
            nonce=new_token(),
            verifier=new_token(),
            redirect_uri=self._pages.url(f"login/callback/{provider_id}"),
        )

    async def begin(
        self, response: Response, provider_id: str, journey: Journey, *, return_to: str, connect_to: str = ""
    ) -> None:
        """Store the redirect in the browser's cookie."""
        pending = PendingRedirect(
            provider=provider_id,
            journey=journey,
            return_to=return_to,
            connect_to=connect_to,
            expires_at=await self._database.read(_now) + JOURNEY_SECONDS,
        )
        self._cookie.put(response, pending, JOURNEY_SECONDS)

    async def end(self, request: Request, provider_id: str, answer: Mapping[str, str]) -> PendingRedirect:
        """Complete the redirect that this `state` belongs to, once.

        Raises:
            Refusal: `invalid_state`.
        """
        pending = self._cookie.read(request)
        state = answer.get("state", "")
        if pending is None or not hmac.compare_digest(pending.journey.state.encode(), state.encode()):
            raise _invalid_state()
        digest = hashlib.sha256(state.encode()).hexdigest()

        async def unit(tx: Transaction) -> PendingRedirect | Refusal:
            if pending.provider != provider_id or pending.expires_at <= tx.now:
                return _invalid_state()
            is_first = await tx.used_once.use("provider_state", digest, expires_at=pending.expires_at)
            return pending if is_first else _invalid_state()

        return await decide(self._database, unit)

    def drop(self, response: Response) -> None:
        """Delete the redirect's cookie."""
        self._cookie.drop(response)


def _invalid_state() -> Refusal:
    return Refusal(
        "invalid_state", "The answer does not belong to a sign-in of this browser, is too late or was already used."
    )


async def _now(tx: Transaction) -> float:
    return tx.now
