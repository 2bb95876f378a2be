"""Hooks at URLs."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.section import Secret
from gatepass.server.base.settings.signup import SignupSection
from gatepass.server.base.urls import is_https_or_local

_PREFIX = "whsec_"
_KEY_LENGTHS = range(24, 65)
"""As Standard Webhooks has it."""


class HooksSection(SignupSection, frozen=True, kw_only=True):
    """Who is asked before somebody signs up or in, and what tokens say."""

    before_signup_url: Annotated[
        str, Meta(description="URL that decides, by a signed POST, whether an account is made or gets an address.")
    ] = ""
    before_login_url: Annotated[
        str, Meta(description="URL that decides, by a signed POST, whether a person may sign in.")
    ] = ""
    claims_url: Annotated[
        str, Meta(description="URL that returns, for a signed POST, more claims of first-party access tokens.")
    ] = ""
    hooks_secret: Annotated[
        Secret, Meta(description="Secret that signs what these URLs are asked: `whsec_` and 24 to 64 bytes in base64.")
    ] = ""

    @property
    def hooks_key(self) -> bytes:
        """The key that the secret shows; empty if it is none."""
        try:
            key = base64.b64decode(self.hooks_secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            return b""
        return key if self.hooks_secret.startswith(_PREFIX) and len(key) in _KEY_LENGTHS else b""

    @property
    def hook_urls(self) -> dict[str, str]:
        """The URLs that are set, by hook."""
        urls = {
            "before_signup": self.before_signup_url,
            "before_login": self.before_login_url,
            "extra_claims": self.claims_url,
        }
        return {hook: url for hook, url in urls.items() if url}

    def check(self) -> None:
        """Each is asked over HTTPS, and signed."""
        super().check()
        for hook, url in self.hook_urls.items():
            if not is_https_or_local(url):
                raise StartupError(
                    f"The URL of the hook `{hook}` is not an https URL without a query.",
                    "It looks like https://hooks.example.com/gatepass",
                )
        if (self.hook_urls or self.hooks_secret) and not self.hooks_key:
            raise StartupError(
                "`hooks_secret` is not a secret of Standard Webhooks.",
                'Make one: echo "whsec_$(openssl rand -base64 32)"',
            )
