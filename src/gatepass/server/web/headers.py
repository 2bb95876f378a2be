"""The headers of every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gatepass.server.base.captchas import CAPTCHA_SERVICES

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings

Headers: TypeAlias = list[tuple[bytes, bytes]]

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_BASE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; worker-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_POLICY = f"{_BASE_POLICY}; connect-src 'self'; form-action 'self'"
BASE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


PAGE_REFERRER = (b"referrer-policy", b"same-origin")
"""With `no-referrer`, browsers would send our own forms with `Origin: null` (Fetch §3.2)."""


PASSKEYS_SCRIPT = "passkeys.js"
DEBUGGER_SCRIPT = "debugger.js"
FORM_POST_SCRIPT = "form_post.js"
CAPTCHA = "captcha"
"""Stands for the script of pages with a captcha, which have that of passkeys too."""


_SELF_FORMS = b"form-action 'self'"
_OPENER = b"cross-origin-opener-policy"


def of_interaction(headers: Headers, form_target: str = "") -> Headers:
    """The headers of an answer between an authorization request and the client's.

    A form of it may lead to the client, which browsers must be told, since they follow the redirect for that too. And
    an application that has opened this in a popup waits there for its answer, so the two are not cut apart.
    """
    forms = f"{_SELF_FORMS.decode()} {form_target}".strip().encode()
    return [(name, b"unsafe-none" if name == _OPENER else value.replace(_SELF_FORMS, forms)) for name, value in headers]


def page_headers(settings: Settings) -> dict[str, Headers]:
    """The headers of a page. Only the given script may run on it."""
    static = f"{settings.issuer_url}/static"
    jwks = f"{settings.issuer_url}/.well-known/jwks.json"
    with_forms = f"{PAGE_POLICY}; script-src {static}/{PASSKEYS_SCRIPT}"
    debugger = (  # a pasted token cannot be sent anywhere: no forms, and only one document may be fetched
        f"{_BASE_POLICY}; form-action 'none'; connect-src {jwks}; script-src {static}/{DEBUGGER_SCRIPT}"
    )
    return {
        CAPTCHA: _with_policy(settings, _with_captcha(settings, with_forms)),
        PASSKEYS_SCRIPT: _with_policy(settings, with_forms),
        DEBUGGER_SCRIPT: _with_policy(settings, debugger),
        FORM_POST_SCRIPT: _with_policy(settings, f"{PAGE_POLICY}; script-src {static}/{FORM_POST_SCRIPT}"),
    }


def _with_captcha(settings: Settings, policy: str) -> str:
    """A policy that lets the captcha's widget in, and no other site."""
    service = CAPTCHA_SERVICES.get(settings.captcha)
    if service is None:
        return policy
    directives = {name: rest for name, _, rest in (each.partition(" ") for each in policy.split("; "))}
    for name, source in service.sources.items():
        directives[name] = f"{directives.get(name, '')} {source}".strip()
    return "; ".join(f"{name} {rest}" for name, rest in directives.items())


def _with_policy(settings: Settings, policy: str) -> Headers:
    return [
        PAGE_REFERRER if name == b"referrer-policy" else (name, value)
        for name, value in security_headers(settings, policy)
    ]


def security_headers(settings: Settings, policy: str = API_POLICY) -> Headers:
    """Security headers; HSTS if the issuer is HTTPS (RFC 6797)."""
    headers: Headers = [(b"content-security-policy", policy.encode()), *BASE]
    if settings.issuer_url.startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return headers
