"""Codes that travel by mail: each opens one thing, once, for a while. What is kept of one is a digest.

A link carries a token of 256 bits. A sign-in mail has a short code besides, for typing; it is worth something only to
the browser or application that asked for the mail, and for a few tries.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal, Protocol

from gatepass.server.base.confidential import Confidential

LinkPurpose = Literal["signup", "change_email", "sign_in", "reset", "lock"]
Purpose = Literal[LinkPurpose, "nothing"]
"""What a code opens. `nothing` is kept where there is no account, so that asking costs the same."""

MOST_TRIES = 5
"""Of a short code; it has 10^8 values."""
_TOKEN_BYTES = 32
_DIGITS = 8


class Code(Confidential, frozen=True, kw_only=True):
    """A code as it is kept; times in seconds since 1970.

    `holder` is a digest of what the browser or application that asked keeps, `payload` what the purpose needs.
    """

    digest: bytes
    purpose: Purpose
    user_id: str
    email: str
    expires_at: float
    holder: bytes = b""
    short_digest: bytes = b""
    payload: str = ""


class Codes(Protocol):
    """Where codes are kept until they are used or too old."""

    async def add(self, code: Code) -> None:
        """Keep a code; an earlier one of the same purpose and holder is worth nothing from now on."""
        ...

    async def look(self, digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Return a code that could be used now, and leave it."""
        ...

    async def is_waited_for(self, holder: bytes, purpose: Purpose, now: float) -> bool:
        """Whether the holder has a code that could be used now, and tries left."""
        ...

    async def use(self, digest: bytes, purpose: Purpose, now: float, *, holder: bytes | None = None) -> Code | None:
        """Use a code up; None when there is none, or it is another holder's. One statement says which."""
        ...

    async def use_short(self, holder: bytes, short_digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Use a code up by its short form; a wrong one costs the holder's code a try."""
        ...

    async def forget_openers(self, user_id: str) -> None:
        """Drop what opens a person's account; what locks it stays, or a thief would drop that too."""
        ...

    async def forget_locks(self, user_id: str, *, made_since: Code) -> None:
        """Drop the links that lock a person's account and are no older than this one.

        An older one is the word of who had the account before, and stays good against whoever came later.
        """
        ...

    async def forget_user(self, user_id: str) -> None:
        """Drop all codes of a person who is gone."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Drop what is too old."""
        ...


def new_token() -> str:
    """Make what a link carries."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_short_code() -> str:
    """Make what a person types: eight digits."""
    return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"


def digest_of(token: str) -> bytes:
    """What is kept of a token, or of a holder. They are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def short_digest_of(key: bytes, holder: bytes, typed: str) -> bytes:
    """What is kept of a short code: a MAC, since all of them could be tried against a plain hash."""
    digits = "".join(typed.split()).replace("-", "")
    return hmac.digest(key, holder + digits.encode(), hashlib.sha256)
