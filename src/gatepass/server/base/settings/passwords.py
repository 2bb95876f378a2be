"""The password policy, and how passwords are hashed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.hooks import HooksSection
from gatepass.server.base.urls import is_https_or_local


class PasswordSection(HooksSection, frozen=True, kw_only=True):
    """The policy for new passwords, and Argon2."""

    password_min_length: Annotated[
        int,
        Meta(
            ge=8,
            le=128,
            description="Minimum characters of a new password; NIST SP 800-63B-4 requires 15 if it is the only factor.",
        ),
    ] = 15
    password_min_length_with_factor: Annotated[
        int, Meta(ge=8, le=128, description="Minimum characters of a password that is used with a second factor.")
    ] = 8
    leaked_passwords_url: Annotated[
        str,
        Meta(
            description="URL of a k-anonymity service of leaked passwords, to which five hexadecimal digits are appended. Empty: only the built-in list."
        ),
    ] = ""
    argon2_memory_kib: Annotated[int, Meta(ge=8, description="Memory of a password hash, in KiB.")] = 19_456
    argon2_passes: Annotated[int, Meta(ge=1, description="Passes of a password hash over its memory.")] = 2
    argon2_lanes: Annotated[int, Meta(ge=1, le=16, description="Lanes of a password hash.")] = 1

    def check(self) -> None:
        """Check that leaked passwords are looked up over HTTPS."""
        super().check()
        if self.leaked_passwords_url and not is_https_or_local(self.leaked_passwords_url):
            raise StartupError(
                "`leaked_passwords_url` is not an https URL.", "It looks like https://ranges.example.com/range/"
            )
