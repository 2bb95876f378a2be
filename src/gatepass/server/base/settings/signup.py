"""Who may sign up."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta

from gatepass.server.base.captchas import CaptchaName
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.revocation import RevocationSection
from gatepass.server.base.settings.section import Secret
from gatepass.server.base.urls import is_https_or_local

_DOMAIN = re.compile(r"[^\W_][\w-]*(\.[^\W_][\w-]*)+")


class SignupSection(RevocationSection, frozen=True, kw_only=True):
    """Whether, with which addresses, and how many at once."""

    signup: Annotated[
        Literal["open", "invitation", "closed"],
        Meta(description="Whether anyone may sign up, who is invited, or only the operator creates accounts."),
    ] = "open"
    signup_domains: Annotated[
        tuple[str, ...],
        Meta(description="Email domains that may sign up or be changed to, without subdomains. Empty: any."),
    ] = ()
    signup_check_url: Annotated[
        str,
        Meta(
            description="URL of a service that decides, by POST, whether a sign-up is allowed, such as a captcha. Empty: none."
        ),
    ] = ""
    signup_check_token: Annotated[Secret, Meta(description="Bearer token for that service.")] = ""
    captcha: Annotated[
        CaptchaName,
        Meta(
            description="Captcha at sign-up by form, API or passkey: `turnstile` (Cloudflare) or `hcaptcha`. Empty: none."
        ),
    ] = ""
    captcha_site_key: Annotated[str, Meta(description="The captcha's site key, which pages show.")] = ""
    captcha_secret: Annotated[Secret, Meta(description="The captcha's secret.")] = ""
    captcha_verify_url: Annotated[
        str, Meta(description="Where the captcha's answers are verified. Empty: at its service.")
    ] = ""
    signups_per_address: Annotated[
        int,
        Meta(
            ge=1,
            description="Accounts that can be created from one address (or IPv6 /64) in an hour before pauses begin.",
        ),
    ] = 50

    def check(self) -> None:
        """Domains are domains, and the service is asked over HTTPS."""
        super().check()
        if self.signup_check_url and not is_https_or_local(self.signup_check_url):
            raise StartupError(
                "`signup_check_url` is not an https URL.", "It looks like https://signups.example.com/check"
            )
        if self.captcha and not (self.captcha_site_key and self.captcha_secret):
            raise StartupError(
                "`captcha` is set without its keys.",
                "Set `captcha_site_key`, and `captcha_secret` or `captcha_secret_file`.",
            )
        if self.captcha_verify_url and not is_https_or_local(self.captcha_verify_url):
            raise StartupError(
                "`captcha_verify_url` is not an https URL.", "Leave it empty for the captcha's own service."
            )
        for domain in self.signup_domains:
            if not _DOMAIN.fullmatch(domain):
                raise StartupError(f"{domain!r} is not a domain.", "Write each of `signup_domains` like example.com")
