"""The headers that every answer carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from gatepass.server.settings import Settings

Headers: TypeAlias = list[tuple[bytes, bytes]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
BASE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


PAGE_REFERRER = (b"referrer-policy", b"same-origin")
"""With `no-referrer` browsers would send the forms of our own pages with `Origin: null` (Fetch §3.2)."""


def page_headers(settings: Settings) -> Headers:
    """The headers of a page with forms. The one script may run, and no other, wherever it comes from."""
    policy = f"{PAGE_POLICY}; script-src {settings.issuer_url}/static/passkeys.js"
    return [
        PAGE_REFERRER if name == b"referrer-policy" else (name, value)
        for name, value in security_headers(settings, policy)
    ]


def security_headers(settings: Settings, policy: str = API_POLICY) -> Headers:
    """What tells a browser to trust an answer no further than it must; HSTS where the issuer is HTTPS (RFC 6797)."""
    headers: Headers = [(b"content-security-policy", policy.encode()), *BASE]
    if settings.issuer_url.startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return headers
