"""The rules of sign-up: whether it is open, for which email domains, and how many accounts one network may create."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.captcha import CaptchaCheck
from gatepass.server.domain.accounts.signup_check import SignupCheck
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.limits.throttle import too_many_attempts

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.ports import Transaction


SIGNUP_PROBLEMS = (
    "signup_closed",
    "invitation_required",
    "email_domain_not_allowed",
    "captcha_required",
    "captcha_failed",
    "captcha_unavailable",
    "signup_refused",
    "signup_check_unavailable",
    "signup_denied",
    "hook_unavailable",
)
"""The error codes of a sign-up that is not allowed."""


class SignupRules:
    """The rules that apply to every way to sign up: by password, passkey, email or another site."""

    def __init__(self, throttle: Throttle, settings: Settings) -> None:
        self._throttle = throttle
        self._service = SignupCheck(settings.signup_check_url, settings.signup_check_token)
        self._captcha = CaptchaCheck(settings)
        self._signup = settings.signup
        self._domains = frozenset(_domain_of(normalise_email(f"anybody@{name}")) for name in settings.signup_domains)

    def check(self, email: str) -> None:
        """Refuse a normalized address that may not sign up.

        Raises:
            Refusal: as `check_open`, or as `check_domain`.
        """
        self.check_open()
        self.check_domain(email)

    def check_open(self) -> None:
        """Refuse if sign-up is not open to everybody.

        Raises:
            Refusal: `signup_closed`, or `invitation_required`.
        """
        if self._signup == "invitation":
            raise Refusal("invitation_required", "Sign-up is by invitation only.")
        if self._signup == "closed":
            raise Refusal("signup_closed", "Sign-up is closed: only the operator creates accounts.")

    def check_domain(self, email: str) -> None:
        """Refuse an address outside the allowed domains; subdomains do not count. Changes of address are checked too.

        Raises:
            Refusal: `email_domain_not_allowed`.
        """
        if self._domains and _domain_of(email) not in self._domains:
            raise Refusal("email_domain_not_allowed", "Email addresses at this domain are not allowed here.")

    async def ask(self, email: str, where: Origin, *, proof: str | None = None) -> None:
        """Ask the sign-up service, if one is configured. Raises as `SignupCheck.ask`."""
        await self._service.ask(email, where, proof=proof)

    async def check_captcha(self, answer: str | None, where: Origin) -> None:
        """Verify the captcha, if one is configured. Raises as `CaptchaCheck.check`."""
        await self._captcha.check(answer, where)

    async def wait(self, tx: Transaction, email: str, where: Origin) -> float:
        """How many seconds until this network may create another account; 0 if it may now."""
        return await self._throttle.wait(tx, self._throttle.attempt("sign_up", email, where))

    async def count(self, tx: Transaction, email: str, where: Origin) -> Refusal | None:
        """Count a new account, or refuse it while the network is over its limit; a refusal is not counted."""
        attempt = self._throttle.attempt("sign_up", email, where)
        if wait := await self._throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        await self._throttle.failed(tx, attempt)
        return None


def _domain_of(email: str) -> str:
    return email.rpartition("@")[2]
