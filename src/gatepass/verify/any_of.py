"""Several issuers at once, each with its own keys, audience, algorithms and memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from gatepass.jose import jwt
from gatepass.jose.errors import InvalidPolicyError, MalformedError, WrongIssuerError

from .fetch import FETCH_SECONDS
from .waiting import await_, wait

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from .dpop import DPoP
    from .principal import Principal
    from .revocation import Health
    from .verifier import Verifier
    from .waiting import Wait


class AnyOf:
    """Verifies the tokens of several issuers. What `iss` says of itself chooses the verifier, which then proves it.

    Attributes:
        issuers: All of them.
        clock: The first one's.
        dpop: The first one's, for what challenges say; each verifier goes by its own.
    """

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        """Hold the verifiers apart.

        Raises:
            InvalidPolicyError: There is none, or two are for the same issuer.
        """
        self._by_issuer = {verifier.issuer: verifier for verifier in verifiers}
        if not verifiers or len(self._by_issuer) != len(verifiers):
            raise InvalidPolicyError("any_of takes verifiers, at most one for an issuer")
        self._verifiers = tuple(verifiers)
        self.issuers = tuple(self._by_issuer)
        self.clock = verifiers[0].clock
        self.dpop = verifiers[0].dpop

    def start(self, seconds: float = FETCH_SECONDS) -> dict[str, Health]:
        """Fetch the keys of every issuer, and what has been revoked, before the first token comes.

        Args:
            seconds: How long to wait for all of them at most.
        """
        ends = time.monotonic() + seconds
        for verifier in self._verifiers:
            verifier.start(0)  # all of them begin, before any is waited for
        return {each.issuer: each.start(max(0.0, ends - time.monotonic())) for each in self._verifiers}

    async def astart(self, seconds: float = FETCH_SECONDS) -> dict[str, Health]:
        """Do as `start` does, in an asyncio event loop, which goes on turning meanwhile.

        Args:
            seconds: How long to wait for all of them at most.
        """
        return dict(
            zip(self.issuers, await asyncio.gather(*(each.astart(seconds) for each in self._verifiers)), strict=True)
        )

    def of(self, issuer: str) -> Verifier:
        """Return the verifier of one issuer.

        Raises:
            InvalidPolicyError: It is none of them.
        """
        try:
            return self._by_issuer[issuer]
        except KeyError:
            raise InvalidPolicyError("this is none of the expected issuers") from None

    def verify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token as `Verifier.verify` does; one of another issuer is refused as `wrong_issuer`."""
        principal = self._remembered(token) if dpop is None else None
        return wait(self.verified(token, dpop)) if principal is None else principal

    async def averify(self, token: str, dpop: DPoP | None = None) -> Principal:
        """Verify a token as `Verifier.averify` does."""
        principal = self._remembered(token) if dpop is None else None
        return await await_(self.verified(token, dpop)) if principal is None else principal

    def verified(self, token: str, dpop: DPoP | None) -> Generator[Wait, None, Principal]:
        """Verify, yielding what to wait for, as `Verifier.verified` does."""
        # Nobody has checked `iss` yet. Whatever it says, the token then has to be this issuer's.
        claimed = jwt.peek(token).claims.get("iss")
        verifier = self._by_issuer.get(claimed) if isinstance(claimed, str) else None
        if verifier is None:
            raise WrongIssuerError("iss is none of the expected issuers", claim="iss")
        return verifier.verified(token, dpop)

    def _remembered(self, token: str) -> Principal | None:
        if not isinstance(cast("object", token), str):
            raise MalformedError("a token is a str")
        for verifier in self._verifiers:
            principal = verifier.remembered(token)
            if principal is not None:
                return principal
        return None

    def health(self) -> dict[str, Health]:
        """Say for each issuer how up to date its keys are, and what is known to be revoked."""
        return {verifier.issuer: verifier.health() for verifier in self._verifiers}

    def close(self) -> None:
        """Stop following what the issuers revoke."""
        for verifier in self._verifiers:
            verifier.close()

    def __repr__(self) -> str:
        return f"Verifier.any_of({', '.join(map(repr, self._verifiers))})"
