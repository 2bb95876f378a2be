"""Who may register a client, and who may change a registration (RFC 7591 §3, RFC 7592 §2.1)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.web.parsing import header

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client


class Newcomer:
    """Whoever may register a client; `token` is the digest of the token that lets them, or None where all may."""

    def __init__(self, token: bytes | None) -> None:
        self.token = token


class RegistrationAccess:
    """Reads the tokens of registration."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def newcomer(self, request: Request, _body: object) -> Newcomer:
        """Return who may register a client. The token is used up only when one is registered.

        Raises:
            Refusal: `registration_closed`, or `invalid_token`.
        """
        policy = self._core.settings.dynamic_registration
        if policy == "off":
            raise Refusal("registration_closed", "Clients cannot register themselves here.")
        token = _bearer(request)
        if token is None and policy == "open":
            return Newcomer(None)
        presented = digest_of(token or "")

        async def unit(tx: Transaction) -> bool:
            return await tx.registration_tokens.is_valid(presented, tx.now)

        if not await self._core.database.read(unit):
            raise invalid_token()
        return Newcomer(presented)

    async def registered(self, request: Request, _body: object) -> Client:
        """Return the client of the path, which the token is for; of another or of none all is refused alike.

        Raises:
            Refusal: `invalid_token`.
        """
        client = await self._core.clients.read(request.path_params["client_id"])
        presented = digest_of(_bearer(request) or "")
        expected = b"" if client is None else client.registration_digest or b""
        if not hmac.compare_digest(presented, expected) or client is None or client.disabled_at is not None:
            raise invalid_token()
        return client


def _bearer(request: Request) -> str | None:
    scheme, _, token = (header(request, b"authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" and token else None


def invalid_token() -> Refusal:
    """The refusal of a token that opens nothing."""
    return Refusal("invalid_token", "The registration token is wrong, used up or expired, or not for this client.")
