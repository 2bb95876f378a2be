"""Recovery codes, for users who lost their other factors: shown once, stored as digests, each for one sign-in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that are easily confused."""
_GROUPS, _GROUP_LENGTH = 4, 4
"""Sixteen characters have 79 bits, too many to guess, also from a digest."""


class RecoveryCodes(Protocol):
    """The store of digests of recovery codes."""

    async def replace(self, user_id: str, digests: Sequence[bytes]) -> None:
        """Replace all codes by these."""
        ...

    async def use(self, user_id: str, digest: bytes) -> bool:
        """Use a code; False if it does not exist or was already used. One statement decides."""
        ...


def new_codes() -> tuple[str, ...]:
    """Make a set of codes."""
    return tuple("-".join(_group() for _ in range(_GROUPS)) for _ in range(COUNT))


def tell_apart(typed: str) -> tuple[str | None, str | None]:
    """What was typed into a field for both: a code of an authenticator application, or else a recovery code."""
    is_recovery_code = len(_plain(typed)) == _GROUPS * _GROUP_LENGTH
    return (None, typed) if is_recovery_code else (typed, None)


def digest_of(key: bytes, user_id: str, typed: str) -> bytes:
    """The stored digest of a code: a MAC under a server key, independent of how the code was typed."""
    return hmac.digest(key, f"{user_id}:{_plain(typed)}".encode(), hashlib.sha256)


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH))


def _plain(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()
