"""Captchas at sign-up: whether the answer that a browser brings is right, as the captcha's service says.

It fails closed: while the service cannot be asked, sign-up by form or passkey fails, and sign-in works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.captchas import CAPTCHA_SERVICES
from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import Origin

_SECONDS = 3.0
_MAX_BYTES = 16_384
_LONGEST_ANSWER = 8_192
"""Turnstile's are at most 2,048 characters, hCaptcha's some thousands."""
_OK = 200


class CaptchaVerdict(msgspec.Struct, frozen=True):
    """What Turnstile and hCaptcha say alike."""

    success: bool = False


class CaptchaCheck:
    """The service that the settings name; without one, nothing is asked."""

    def __init__(self, settings: Settings) -> None:
        service = CAPTCHA_SERVICES.get(settings.captcha)
        self._url = "" if service is None else settings.captcha_verify_url or service.verify_url
        self._secret = settings.captcha_secret
        self._site_key = settings.captcha_site_key
        self._fetch = PublicFetch.of(settings)

    async def check(self, answer: str | None, where: Origin) -> None:
        """Verify the widget's answer, which is good once.

        Raises:
            Refusal: `captcha_required`, or `captcha_failed`.
            Unavailable: `captcha_unavailable`.
        """
        if not self._url:
            return
        if not answer:
            raise Refusal("captcha_required", "Solve the captcha, and send its answer as `captcha`.")
        if len(answer) > _LONGEST_ANSWER or not await self._is_right(answer, where):
            raise Refusal(
                "captcha_failed", "The captcha's answer is wrong, too old or was used before: solve it again."
            )

    async def _is_right(self, answer: str, where: Origin) -> bool:
        form = {"secret": self._secret, "response": answer, "sitekey": self._site_key}
        if where.address:
            form["remoteip"] = where.address
        try:
            fetched = await self._fetch.post(self._url, form, max_bytes=_MAX_BYTES, seconds=_SECONDS)
        except FetchError as error:
            raise _unavailable(str(error)) from error
        if fetched.status != _OK:
            raise _unavailable(f"status {fetched.status}")
        try:
            return msgspec.json.decode(fetched.body, type=CaptchaVerdict).success
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unavailable("it is no JSON object with `success`") from error


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "captcha_unavailable",
        "The captcha cannot be checked right now: try again shortly.",
        private=f"the captcha's service cannot be asked: {why}",
        retry_after=30,
    )
