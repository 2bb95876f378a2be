"""Verifying our own access tokens when they are presented to this server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from gatepass.jose import jwt
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.tokens import access_token
from gatepass.tokens.access_token import UnprovenCnfError
from gatepass.verify import Verifier
from gatepass.verify.reading import of_access_token

if TYPE_CHECKING:
    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.keyring import KeyRing, LiveKeys
    from gatepass.tokens.status_list import StatusReference
    from gatepass.verify import Principal

_MAX_POLICIES = 64


class OwnTokens:
    """Verifies access tokens of this server with the current keys. The database knows which are revoked."""

    def __init__(self, keys: LiveKeys, settings: Settings, clock: Clock) -> None:
        self._keys = keys
        self._issuer = settings.issuer_url
        self._clock = clock
        self._ring: KeyRing | None = None
        self._verifiers: dict[tuple[str, ...], Verifier] = {}

    def verify(self, token: str, audience: tuple[str, ...], thumbprint: str | None = None) -> Principal:
        """Verify a token for one of the audiences, bound to the sender's key if it is bound.

        Raises as `Verifier.verify`.
        """
        if thumbprint is None:
            return self._verifier(audience).verify(token)
        checked = access_token.check(
            token,
            self._keys.current.verification,
            issuer=self._issuer,
            audience=audience,
            now=self._clock(),
            thumbprint=thumbprint,
        )
        return of_access_token(checked)

    def look_at(self, token: str, audience: tuple[str, ...]) -> Principal:
        """Verify a token that is the subject of a request, not its credential: the sender need not hold its key."""
        try:
            return self.verify(token, audience)
        except UnprovenCnfError:
            named = jwt.peek(token).claims["cnf"]
            return self.verify(token, audience, str(named.get("jkt", "")))

    def look_at_any(self, token: str) -> Principal:
        """The same, for any audience."""
        claims = jwt.peek(token).claims
        key: Any = claims.get("cnf")
        checked = access_token.check(
            token,
            self._keys.current.verification,
            issuer=self._issuer,
            audience=_names_in(claims.get("aud")),
            now=self._clock(),
            thumbprint=_jkt_in(key),
        )
        return of_access_token(checked)

    def _verifier(self, audience: tuple[str, ...]) -> Verifier:
        """The verifier for an audience; a changed key ring creates new ones, with empty caches."""
        ring = self._keys.current
        if ring is not self._ring:
            self._ring = ring
            self._verifiers.clear()
        verifier = self._verifiers.get(audience)
        if verifier is None:
            while len(self._verifiers) >= _MAX_POLICIES:
                del self._verifiers[next(iter(self._verifiers))]
            verifier = Verifier(
                issuer=self._issuer, audience=audience, keys=ring.verification, revocation=None, clock=self._clock
            )
            self._verifiers[audience] = verifier
        return verifier


def _names_in(aud: object) -> tuple[str, ...]:
    """Whom a token names that is not verified yet, so that it can be anything."""
    names = cast("list[object]", aud) if isinstance(aud, list) else [aud]
    return tuple(name for name in names if isinstance(name, str))


def _jkt_in(cnf: Any) -> str | None:  # noqa: ANN401 - not verified yet, so it can be anything
    return str(cnf.get("jkt", "")) if hasattr(cnf, "get") else None


def status_of(principal: Principal) -> StatusIndex | None:
    """The status index of one of our tokens; the list's number is at the end of its URI."""
    return None if principal.status is None else _index(principal.status)


def statuses_of(principal: Principal) -> tuple[StatusIndex, ...]:
    """That one, and those of the clients that have exchanged the token: each can revoke it."""
    return tuple(_index(reference) for reference in principal.every_status)


def _index(reference: StatusReference) -> StatusIndex:
    return StatusIndex(int(reference.uri.rpartition("/")[2]), reference.idx)
