"""Throttling of sign-in: counts failures, and makes each further attempt wait longer.

An address without an account is counted like any other, so pauses do not reveal which exist. A success clears the
account's count but not the network's: otherwise an attacker could clear it by signing in to an account of their own.

Callers with an unknown address share no network count: their attempts count for the account only, so that guessing is
slow without locking out other users.
"""

from __future__ import annotations

import hashlib
import hmac
from math import ceil
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.attempts import Limit, network_of

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction

_MAIL_WINDOW = 3_600.0
"""The window for mails and new accounts."""
_STUFFING_CHANGES = 20
"""The limit of changes of account from one network within its window."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What is attempted (a digest of the email address) and from which network, empty if that is unknown."""

    account: str
    network: str
    where: Origin


class Throttle:
    """Applies limits to attempts."""

    def __init__(self, key: bytes, *, account: Limit, network: Limit, notices_stuffing: bool = True) -> None:
        self._key = key
        self._account = account
        self._network = network
        self._notices_stuffing = notices_stuffing

    @classmethod
    def of_sign_ins(cls, key: bytes, settings: Settings) -> Throttle:
        """The throttle for passwords and other guessable secrets."""
        pauses = {
            "first_pause": float(settings.attempt_pause_seconds),
            "longest_pause": float(settings.attempt_longest_pause_seconds),
        }
        return cls(
            key,
            account=Limit(free=settings.attempts_per_account, window=settings.account_window_seconds, **pauses),
            network=Limit(free=settings.attempts_per_address, window=settings.address_window_seconds, **pauses),
        )

    @classmethod
    def of_mails(cls, key: bytes, settings: Settings) -> Throttle:
        """The throttle for emails, which counts requests to send one."""
        return cls(
            key,
            account=Limit(
                free=settings.mails_per_address, window=_MAIL_WINDOW, first_pause=60, longest_pause=_MAIL_WINDOW
            ),
            network=Limit(
                free=settings.attempts_per_address, window=_MAIL_WINDOW, first_pause=60, longest_pause=_MAIL_WINDOW
            ),
            notices_stuffing=False,
        )

    @classmethod
    def of_signups(cls, key: bytes, settings: Settings) -> Throttle:
        """The throttle for new accounts, counted by network only."""
        hour = _MAIL_WINDOW
        return cls(
            key,
            account=Limit(free=settings.signups_per_address, window=hour, first_pause=60, longest_pause=hour),
            network=Limit(free=settings.signups_per_address, window=hour, first_pause=60, longest_pause=hour),
            notices_stuffing=False,
        )

    @classmethod
    def of_grants(cls, key: bytes, settings: Settings) -> Throttle:
        """The throttle for codes, refresh tokens and assertions that are no good, counted by client."""
        limit = Limit(
            free=settings.attempts_per_address,
            window=settings.address_window_seconds,
            first_pause=float(settings.attempt_pause_seconds),
            longest_pause=float(settings.attempt_longest_pause_seconds),
        )
        return cls(key, account=limit, network=limit, notices_stuffing=False)

    def attempt(self, what: str, name: str, where: Origin) -> Attempt:
        """An attempt of a kind, such as `password`, for a name, such as an email address."""
        digest = hmac.digest(self._key, f"{what}:{name}".encode(), hashlib.sha256).hex()
        network = f"{what}@{network_of(where.address)}" if where.address else ""
        return Attempt(account=f"{what}:{digest}", network=network, where=where)

    async def choose(
        self, tx: Transaction, what: str, name: str, where: Origin, *, browser: str
    ) -> tuple[Attempt, float]:
        """The attempt to count, and how long until it is allowed.

        A known browser or session has its own counter, so that attempts elsewhere do not make it wait; once that
        counter is used up, it is treated like any other.
        """
        attempt = self.attempt(what, name, where)
        if browser:
            own = Attempt(account=self.attempt(what, f"{name} from {browser}", where).account, network="", where=where)
            if not await self.wait(tx, own):
                return own, 0.0
        return attempt, await self.wait(tx, attempt)

    async def wait(self, tx: Transaction, attempt: Attempt) -> float:
        """How many seconds until this is allowed; 0 if it is now."""
        now, account = tx.now, self._account
        tried = await tx.attempts.of(attempt.account, since=now - account.window)
        return max(account.wait(tried, now), await self._network_wait(tx, attempt))

    async def hold(self, tx: Transaction, attempt: Attempt) -> float:
        """As `wait`, in the deciding transaction: attempts for one account are serialized."""
        now, account = tx.now, self._account
        tried = await tx.attempts.hold(attempt.account, since=now - account.window, now=now)
        return max(account.wait(tried, now), await self._network_wait(tx, attempt))

    async def _network_wait(self, tx: Transaction, attempt: Attempt) -> float:
        if not attempt.network:
            return 0.0
        now, network = tx.now, self._network
        return network.wait(await tx.attempts.of(attempt.network, since=now - network.window), now)

    async def failed(self, tx: Transaction, attempt: Attempt) -> None:
        """Count a failure."""
        now = tx.now
        await tx.attempts.count(attempt.account, at=attempt.network, since=now - self._account.window, now=now)
        if not attempt.network:
            return
        tried = await tx.attempts.count(attempt.network, at=attempt.account, since=now - self._network.window, now=now)
        if self._notices_stuffing and tried.changes == _STUFFING_CHANGES:
            await record(tx, "credential_stuffing_noticed", where=attempt.where)

    async def succeeded(self, tx: Transaction, attempt: Attempt) -> None:
        """Clear the account's count."""
        await tx.attempts.clear(attempt.account)


def too_many_attempts(wait: float) -> Refusal:
    """The refusal while the caller must wait, the same whether or not the account exists."""
    return Refusal("too_many_attempts", "Too many attempts: try again later.", retry_after=ceil(wait))
