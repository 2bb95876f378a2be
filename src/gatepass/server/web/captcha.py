"""Pages with a captcha, where one is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.captchas import CAPTCHA_SERVICES
from gatepass.server.web.headers import CAPTCHA
from gatepass.server.web.pages import PageForm

if TYPE_CHECKING:
    from gatepass.server.base.captchas import CaptchaService
    from gatepass.server.base.settings import Settings
    from gatepass.server.web.pages import PageResponse


class CaptchaForm(PageForm, frozen=True, kw_only=True):
    """A form whose widget leaves its answer in a field that is named after its service."""

    turnstile: str = msgspec.field(default="", name="cf-turnstile-response")
    hcaptcha: str = msgspec.field(default="", name="h-captcha-response")

    @property
    def captcha(self) -> str:
        """The answer; empty without one."""
        return self.turnstile or self.hcaptcha


def captcha_of(settings: Settings) -> tuple[CaptchaService, str] | None:
    """What a template needs for the widget: the service, and the site key."""
    service = CAPTCHA_SERVICES.get(settings.captcha)
    return None if service is None else (service, settings.captcha_site_key)


def admit_captcha(response: PageResponse, settings: Settings) -> PageResponse:
    """Let the widget in on this page; the policies of other pages stay as they are."""
    if settings.captcha:
        response.script = CAPTCHA
    return response
