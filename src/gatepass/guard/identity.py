"""What the application behind the proxy is told of who calls it: the headers `X-Auth-…`.

Every one of them is always there, and empty where there is nothing to say. So a proxy that copies them leaves nothing
of what the client sent under these names. Values are percent-encoded (RFC 3986 §2.1) but for what is plain in a header;
a list is its members, each encoded, with a blank between them.
"""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from gatepass.jose.errors import BadClaimError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gatepass.verify import Principal

NAMES = (
    "X-Auth-Subject",
    "X-Auth-Client",
    "X-Auth-Session",
    "X-Auth-Token-Id",
    "X-Auth-Expires",
    "X-Auth-Scope",
    "X-Auth-Roles",
    "X-Auth-Permissions",
    "X-Auth-Organization",
    "X-Auth-Organization-Roles",
    "X-Auth-Organization-Permissions",
    "X-Auth-Actor",
)
"""The headers, in the order in which they are sent. Samples of every proxy name them all."""

_PLAIN = "!$'()*+/:@~"
"""Characters of identifiers and URLs that separate nothing in a header; letters, digits and `-._` are plain, too."""


def headers_of(principal: Principal) -> list[tuple[str, str]]:
    """Return every header, about a principal.

    Raises:
        BadClaimError: The token has no subject: behind the proxy that would read like nobody.
    """
    if not principal.subject:
        raise BadClaimError("the token has no subject", claim="sub")
    organization = principal.organization
    values = (
        _text(principal.subject),
        _text(principal.client_id),
        _text(principal.session_id),
        _text(principal.token_id),
        "" if principal.expires_at == inf else str(int(principal.expires_at)),
        _words(principal.scopes),
        _words(principal.roles),
        _words(principal.permissions),
        _text(None if organization is None else organization.id),
        _words(() if organization is None else organization.roles),
        _words(() if organization is None else organization.permissions),
        _text(_actor(principal.claims)),
    )
    return list(zip(NAMES, values, strict=True))


NOBODY: list[tuple[str, str]] = [(name, "") for name in NAMES]
"""Every header, empty: of an answer that lets nobody in."""


@lru_cache(4_096)
def _text(value: str | None) -> str:
    return "" if value is None else quote(value, _PLAIN, errors="replace")


@lru_cache(4_096)
def _sorted(words: frozenset[str]) -> str:
    return " ".join(_text(word) for word in sorted(words))


def _words(words: Iterable[str]) -> str:
    return _sorted(frozenset(words))


def _actor(claims: Mapping[str, object]) -> str | None:
    """RFC 8693 §4.1: who acts now, for the subject; those before are history."""
    act = claims.get("act")
    sub = cast("Mapping[str, object]", act).get("sub") if act is not None else None
    return sub if isinstance(sub, str) else None
