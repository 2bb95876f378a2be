"""Whose pages may call the server from a browser."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.providers import ProviderSection
from gatepass.server.base.urls import as_browsers_write

_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", re.ASCII)
"""As browsers write it (RFC 6454 §6.2); never `null`, which any page can have, nor `*`."""

_MOST_CHARACTERS = 280


class OriginSection(ProviderSection, frozen=True, kw_only=True):
    """Origins for cookie mode and for CORS."""

    browser_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins besides the issuer's own whose pages may use cookie mode; they must be same-site."),
    ] = ()
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="Origins whose pages may call this server with a bearer token (CORS).")
    ] = ()

    def check(self) -> None:
        """Origins are written as browsers write them."""
        super().check()
        for origin in (*self.browser_origins, *self.cors_origins):
            if not is_origin(origin):
                raise StartupError(
                    f"{origin!r} is not an origin.",
                    "Write it like https://app.example.com: in lower case, without a path or the default port.",
                )


def is_origin(text: str) -> bool:
    """Whether this is an origin as browsers write it, and no longer than a host's name can be (RFC 1035 §2.3.4)."""
    if len(text) > _MOST_CHARACTERS or not _ORIGIN.fullmatch(text):
        return False
    try:
        return as_browsers_write(text) == text
    except ValueError:  # a port or an address that is none
        return False
