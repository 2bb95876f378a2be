"""Recovery codes, for whoever has lost their other factors: shown once, kept as digests, each good for one sign-in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNT = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without what is easily taken for another."""
_GROUPS, _GROUP_LENGTH = 4, 4
"""Sixteen characters are 79 bits: nobody guesses one, and nobody finds one from its digest."""


class RecoveryCodes(Protocol):
    """Where the digests are kept."""

    async def replace(self, user_id: str, digests: Sequence[bytes]) -> None:
        """Keep these, and none of those before."""
        ...

    async def use(self, user_id: str, digest: bytes) -> bool:
        """Use a code up; False when there is no such one, or it was used before. One statement says which."""
        ...


def new_codes() -> tuple[str, ...]:
    """Make a set of codes."""
    return tuple("-".join(_group() for _ in range(_GROUPS)) for _ in range(COUNT))


def tell_apart(typed: str) -> tuple[str | None, str | None]:
    """What was typed into a field for both: a code of an authenticator application, or else a recovery code."""
    is_recovery_code = len(_plain(typed)) == _GROUPS * _GROUP_LENGTH
    return (None, typed) if is_recovery_code else (typed, None)


def digest_of(key: bytes, user_id: str, typed: str) -> bytes:
    """What is kept of a code: a MAC under a key of the server's, whichever way the code was typed."""
    return hmac.digest(key, f"{user_id}:{_plain(typed)}".encode(), hashlib.sha256)


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH))


def _plain(typed: str) -> str:
    return "".join(typed.split()).replace("-", "").lower()
