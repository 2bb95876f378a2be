"""Which passwords we take (NIST SP 800-63B-4 §3.1.1.2): long ones, with no rules about what they are made of."""

from __future__ import annotations

from gatepass.server.errors import Refusal

MAX_LENGTH = 1024
"""Characters. Longer ones would only buy the sender hashing time."""


def check_new_password(password: str, *, min_length: int) -> None:
    """Raise unless the password may be set.

    Raises:
        Refusal: `password_too_short` or `password_too_long`.
    """
    if len(password) < min_length:
        raise Refusal("password_too_short", f"A password has at least {min_length} characters.")
    if len(password) > MAX_LENGTH:
        raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
