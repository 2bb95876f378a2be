"""Codes sent by email: each is for one purpose, works once, and expires. Only a digest is stored.

A link holds a token of 256 bits. A sign-in email also has a short code for typing, which works only in the browser or
application that requested it, and for a few tries.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Literal, Protocol

from gatepass.server.base.confidential import Confidential

if TYPE_CHECKING:
    from collections.abc import Sequence

LinkPurpose = Literal["signup", "change_email", "sign_in", "reset", "lock", "organization"]
Purpose = Literal[LinkPurpose, "operator_factor", "nothing"]
"""The purpose of a code. `operator_factor` is not mailed but printed by the command line. `nothing` is stored if there
is no account, so that both cases cost the same."""

MOST_TRIES = 5
"""For a short code, which has 10^8 possible values."""
_TOKEN_BYTES = 32
_DIGITS = 8


class Code(Confidential, frozen=True, kw_only=True):
    """A stored code; times in seconds since 1970.

    `holder` is a digest of the secret held by the browser or application that requested it; `payload` is data for the
    purpose.
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
    """The store of codes, until they are used or expire."""

    async def add(self, code: Code) -> None:
        """Add a code; it invalidates an earlier one of the same purpose and holder."""
        ...

    async def look(self, digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Return a code that is still valid, without using it."""
        ...

    async def of_holder(self, holder: bytes, purposes: Sequence[Purpose], now: float) -> Code | None:
        """The latest code of one of these purposes that the holder waits for."""
        ...

    async def is_waited_for_by(self, holder: bytes, purpose: Purpose, now: float) -> str | None:
        """Whose valid code, with tries left, the holder waits for."""
        ...

    async def use(self, digest: bytes, purpose: Purpose, now: float, *, holder: bytes | None = None) -> Code | None:
        """Use a code; None if it is not valid or belongs to another holder. One statement decides."""
        ...

    async def use_short(self, holder: bytes, short_digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Use a code by its short form; a wrong guess costs the holder's code one try."""
        ...

    async def forget_openers(self, user_id: str) -> None:
        """Remove the codes that open a user's account. Links that lock it stay: a thief would want them gone."""
        ...

    async def forget_locks(self, user_id: str, *, made_since: Code) -> None:
        """Remove the links that lock a user's account and are no older than this one.

        An older link came from an earlier owner of the account, and still works against later intruders.
        """
        ...

    async def forget_user(self, user_id: str) -> None:
        """Remove all codes of a user who was deleted."""
        ...

    async def forget_expired(self, now: float) -> None:
        """Remove expired codes."""
        ...


def new_token() -> str:
    """Make a token for a link."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_short_code() -> str:
    """Make a code for typing: eight digits."""
    return f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"


def short_digest_of(key: bytes, holder: bytes, typed: str) -> bytes:
    """The stored digest of a short code: a MAC, because a plain hash of so few values could be guessed."""
    digits = "".join(typed.split()).replace("-", "")
    return hmac.digest(key, holder + digits.encode(), hashlib.sha256)
