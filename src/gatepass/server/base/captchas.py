"""The captcha services: their widget on pages, what it needs of browsers, and where an answer is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

CaptchaName: TypeAlias = Literal["", "turnstile", "hcaptcha"]


class CaptchaService(msgspec.Struct, frozen=True, kw_only=True):
    """One service.

    Attributes:
        script: What draws the widget.
        css_class: Of the element that it draws it in.
        sources: What pages with the widget may load, by directive of the Content Security Policy.
        verify_url: Where answers are verified.
    """

    script: str
    css_class: str
    sources: Mapping[str, str]
    verify_url: str


_HCAPTCHA = "https://hcaptcha.com https://*.hcaptcha.com"
_CLOUDFLARE = "https://challenges.cloudflare.com"

CAPTCHA_SERVICES: Mapping[CaptchaName, CaptchaService] = {
    "turnstile": CaptchaService(
        script=f"{_CLOUDFLARE}/turnstile/v0/api.js",
        css_class="cf-turnstile",
        sources={"script-src": _CLOUDFLARE, "frame-src": _CLOUDFLARE},
        verify_url=f"{_CLOUDFLARE}/turnstile/v0/siteverify",
    ),
    "hcaptcha": CaptchaService(
        script="https://js.hcaptcha.com/1/api.js",
        css_class="h-captcha",
        sources=dict.fromkeys(("script-src", "frame-src", "style-src", "connect-src"), _HCAPTCHA),
        verify_url="https://api.hcaptcha.com/siteverify",
    ),
}
"""As their documentation says that they need it."""
