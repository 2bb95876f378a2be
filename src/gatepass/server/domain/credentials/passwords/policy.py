"""Which passwords we take (NIST SP 800-63B-4 §3.1.1.2): long ones that nobody guesses first, made of whatever."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.common import is_common, is_made_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 1024
"""Characters. Longer ones would only buy the sender hashing time."""


class LeakedPasswords(Protocol):
    """Knows more leaked passwords than our own list has."""

    async def has(self, password: str) -> bool:
        """Whether the password is known to have leaked; False as well when that cannot be found out just now."""
        ...


def prepared(password: str) -> str:
    """A password as it is hashed: in NFC, and with every space a plain one.

    Keyboards and systems spell the same letters in two ways. Of RFC 8265 §4.2 (OpaqueString) these two rules only: to
    refuse what a version of Unicode does not know would refuse emoji that are new.
    """
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def check_new_password(password: str, *, min_length: int, context: Iterable[str] = ()) -> None:
    """Raise unless the password may be set. `context` are texts that others know of the person, or of the service.

    Raises:
        Refusal: `password_too_short`, `password_too_long` or `password_too_common`.
    """
    password = prepared(password)
    if len(password) < min_length:
        raise Refusal("password_too_short", f"A password has at least {min_length} characters.")
    if len(password) > MAX_LENGTH:
        raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
    if is_common(password):
        raise Refusal("password_too_common", "This is one of the passwords that are tried first.")
    if is_made_of(password, context):
        raise Refusal("password_too_common", "This password is made of your address or the name of this service.")
