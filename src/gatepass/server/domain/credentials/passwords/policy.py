"""The password policy (NIST SP 800-63B-4 §3.1.1.2): long and not common, with no rules on characters."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.common import is_common, is_made_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 1024
"""In characters. Longer passwords would only cost hashing time."""


class LeakedPasswords(Protocol):
    """A source of leaked passwords beyond our own list."""

    async def has(self, password: str) -> bool:
        """Whether the password is known to have leaked; also False if that cannot be found out now."""
        ...


def prepared(password: str) -> str:
    """The password in the form that is hashed: in NFC, with every space replaced by a plain one.

    Keyboards and systems encode the same letters in two ways. Only these two rules of RFC 8265 §4.2 (OpaqueString)
    apply: refusing code points unknown to a version of Unicode would refuse new emoji.
    """
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


def check_new_password(password: str, *, min_length: int, context: Iterable[str] = ()) -> None:
    """Check a new password. `context` holds texts that others know about the user or the service.

    Raises:
        Refusal: `password_too_short`, `password_too_long` or `password_too_common`.
    """
    password = prepared(password)
    if len(password) < min_length:
        raise Refusal("password_too_short", f"A password has at least {min_length} characters.")
    if len(password) > MAX_LENGTH:
        raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
    if is_common(password):
        raise Refusal("password_too_common", "This password is too common: use several unrelated words.")
    if is_made_of(password, context):
        raise Refusal(
            "password_too_common",
            "This password consists of your email address or the name of this service: use other words.",
        )
