"""User codes: looked up by who types them, slowly for who guesses (RFC 8628 §5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.sessions.device_code import user_digest

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.device_code import DeviceCode
    from gatepass.server.web.call import Call


class UserCodes:
    """Finds the device that waits for a code. What is guessed counts for the person and for their network."""

    def __init__(self, core: Core) -> None:
        self._key = core.data_key.derive("user codes")
        self._throttle = core.throttle

    def digest(self, user_code: str) -> bytes:
        """What is kept of a code."""
        return user_digest(user_code, self._key)

    async def find(self, tx: Transaction, call: Call, user_code: str) -> DeviceCode | Refusal:
        """The device that waits for this code; a wrong one is counted."""
        attempt = self._throttle.attempt("device_code", call.caller.user.id, call.origin)
        if wait := await self._throttle.hold(tx, attempt):
            return too_many_attempts(wait)
        code = await tx.device_codes.waiting(self.digest(user_code), tx.now)
        if code is None:
            await self._throttle.failed(tx, attempt)
            return Refusal("invalid_user_code", "No device waits for this code.")
        return code
