"""The operator's own sign-up service, which decides whether a user may sign up: by captcha, list or payment.

It is asked before anything is hashed, mailed or written, and fails closed: while it is down, sign-up fails, but sign-in
works.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.verify.tls import public_authorities

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import Origin

_DEADLINE_SECONDS = 3.0
"""For the whole request."""
_ALLOWED, _REFUSED = (200, 204), 403


class SignupCheck:
    """The service at `signup_check_url`; without one, sign-up is always allowed."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    async def ask(self, email: str, where: Origin, *, proof: str | None = None) -> None:
        """Ask the service. `proof` comes from the application, for example the answer to a captcha.

        Raises:
            Refusal: `signup_refused`.
            Unavailable: `signup_check_unavailable`.
        """
        if not self._url:
            return
        question = {"email": email, "address": where.address, "user_agent": where.user_agent, "proof": proof}
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                status = await self._post(question)
        except (TimeoutError, OSError) as error:
            raise _unavailable(type(error).__name__) from error
        if status == _REFUSED:
            raise Refusal("signup_refused", "This sign-up was refused.")
        if status not in _ALLOWED:
            raise _unavailable(f"status {status}")

    async def _post(self, question: dict[str, str | None]) -> int:
        """Post JSON, without following redirects, and return only the status of the answer."""
        import httpx  # noqa: PLC0415 - only where it is set, and it takes 100 ms

        try:
            async with (
                httpx.AsyncClient(headers=self._headers, verify=public_authorities()) as client,
                client.stream("POST", self._url, json=question) as response,
            ):
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError("no answer") from error


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "signup_check_unavailable",
        "Sign-up is not available right now: try again shortly.",
        private=f"the service at `signup_check_url` cannot be asked: {why}",
        retry_after=30,
    )
