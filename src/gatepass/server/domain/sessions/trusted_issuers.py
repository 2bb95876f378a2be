"""Issuers whose assertions the operator trusts: which keys they have, and who may use what they say for what."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.jose import jwt
from gatepass.jose.errors import WrongIssuerError
from gatepass.server.base.settings.trusted_issuers import read_keys
from gatepass.tokens import assertion_grant

if TYPE_CHECKING:
    from gatepass.jose import KeySet
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.client_keys import ClientKeys
    from gatepass.tokens.assertion_grant import AssertionGrant


class TrustedAssertion(msgspec.Struct, frozen=True):
    """An assertion that was checked, and the APIs that the operator lets its issuer open."""

    grant: AssertionGrant
    audience: tuple[str, ...]


class TrustedIssuers:
    """Checks assertions. False while the operator trusts no issuer."""

    def __init__(self, settings: Settings, published: ClientKeys) -> None:
        self._issuer = settings.issuer_url
        self._trusted = {each.issuer: each for each in settings.trusted_issuers.values()}
        self._in_files = {each.issuer: read_keys(each.jwks_file) for each in self._trusted.values() if each.jwks_file}
        self._published = published

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._trusted)

    async def check(self, assertion: str, client: Client, *, now: float) -> TrustedAssertion:
        """Check an assertion that a client has sent. Whether it was sent before, is the caller's to know.

        Raises:
            JoseError: It is refused; `code` says why.
        """
        named = jwt.peek(assertion).claims.get("iss")  # says whose keys to use; all is verified right after
        trusted = self._trusted.get(named) if isinstance(named, str) else None
        if trusted is None or client.id not in trusted.clients:
            raise WrongIssuerError("the issuer is not trusted for this client", claim="iss")
        check = partial(self._checked, assertion, trusted.issuer, client.id, now)
        keys = self._in_files.get(trusted.issuer)
        grant = check(keys) if keys is not None else await self._published.check_at(trusted.jwks_url, check, now=now)
        return TrustedAssertion(grant, trusted.audiences)

    def _checked(self, assertion: str, issuer: str, client_id: str, now: float, keys: KeySet) -> AssertionGrant:
        return assertion_grant.check(
            assertion, keys, issuer=issuer, audience=self._issuer, client_id=client_id, now=now
        )
