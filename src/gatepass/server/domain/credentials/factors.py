"""Which second factors somebody has."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

FactorKind = Literal["passkey", "totp", "recovery_code"]


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """How many a person has of each."""

    passkeys: int
    totp: int
    recovery_codes: int

    @property
    def are_asked(self) -> bool:
        """Whether a second factor is asked of the person. Recovery codes alone are none: they stand in for others."""
        return bool(self.passkeys or self.totp)

    @property
    def kinds(self) -> tuple[FactorKind, ...]:
        """What the person may answer with, the safest first."""
        counts: tuple[tuple[FactorKind, int], ...] = (
            ("passkey", self.passkeys),
            ("totp", self.totp),
            ("recovery_code", self.recovery_codes),
        )
        return tuple(kind for kind, count in counts if count) if self.are_asked else ()


class FactorCounts(Protocol):
    """Counts what a person has, by one statement: it is asked at every sign-in."""

    async def of(self, user_id: str) -> Factors:
        """What the person has."""
        ...
