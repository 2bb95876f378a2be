"""Which second factors a user has."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

FactorKind = Literal["passkey", "totp", "recovery_code"]


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """How many of each kind of factor a user has."""

    passkeys: int
    totp: int
    recovery_codes: int

    @property
    def are_asked(self) -> bool:
        """Whether the user is asked for a second factor. Recovery codes alone do not count: they only replace one."""
        return bool(self.passkeys or self.totp)

    @property
    def kinds(self) -> tuple[FactorKind, ...]:
        """The kinds of factor that the user can present, the safest first."""
        counts: tuple[tuple[FactorKind, int], ...] = (
            ("passkey", self.passkeys),
            ("totp", self.totp),
            ("recovery_code", self.recovery_codes),
        )
        return tuple(kind for kind, count in counts if count) if self.are_asked else ()


NO_FACTORS = Factors(passkeys=0, totp=0, recovery_codes=0)


class FactorCounts(Protocol):
    """Counts a user's factors in one statement, because every sign-in needs it."""

    async def of(self, user_id: str) -> Factors:
        """The user's factors."""
        ...

    async def by_user(self) -> dict[str, Factors]:
        """The factors of every user who has any."""
        ...
