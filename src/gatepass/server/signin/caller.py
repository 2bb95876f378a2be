"""Who calls, by an access token of ours; for the server's own calls only the issuer's URL is the right audience."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.server.errors import Refusal
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gatepass.server.clock import Clock
    from gatepass.server.keys.keyring import KeyRing, LiveKeys
    from gatepass.server.settings import Settings
    from gatepass.server.transaction import Database, Transaction
    from gatepass.server.users import User
    from gatepass.verify import Principal


class Callers:
    """Identifies callers."""

    def __init__(self, database: Database, *, keys: LiveKeys, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._issuer = settings.issuer_url
        self._clock = clock
        self._ring: KeyRing | None = None
        self._verifier: Verifier | None = None

    async def identify(self, request: Request) -> tuple[Principal, User]:
        """Return the caller and their account.

        Raises:
            Refusal: `missing_token`, `invalid_token`, or `session_ended` when the sign-in behind the token is over.
        """
        principal = self.verify(request)
        user = await self._database.read(self._account_of(principal))
        if user is None:
            raise Refusal("session_ended", "The session has ended: sign in again.")
        return principal, user

    def verify(self, request: Request) -> Principal:
        """Verify the bearer token, without asking the database.

        Raises:
            Refusal: `missing_token` or `invalid_token`.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal("missing_token", "The call needs `Authorization: Bearer …`.")
        try:
            return self._current_verifier().verify(token.strip())
        except JoseError as error:
            raise Refusal("invalid_token", f"The access token is refused: {error.code}.") from error

    def _current_verifier(self) -> Verifier:
        """The verifier over the keys in force; a changed ring makes a new one, with an empty cache."""
        ring = self._keys.current
        if self._verifier is None or ring is not self._ring:
            self._ring = ring
            self._verifier = Verifier(
                issuer=self._issuer, audience=self._issuer, keys=ring.verification, clock=self._clock
            )
        return self._verifier

    @staticmethod
    def _account_of(principal: Principal) -> Callable[[Transaction], Awaitable[User | None]]:
        async def unit(tx: Transaction) -> User | None:
            if not await tx.sessions.is_live(principal.session_id or "", principal.subject, tx.now):
                return None
            return await tx.users.by_id(principal.subject)

        return unit
