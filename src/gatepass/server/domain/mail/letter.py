"""A letter: which mail goes to whom, before it is put into words. The queue keeps letters, sealed: they hold links."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential

LetterKind = Literal[
    "account_deleted",
    "account_locked",
    "earlier_access_removed",
    "email_change",
    "email_changed",
    "email_taken",
    "factor_added",
    "factor_removed",
    "password_changed",
    "provider_connected",
    "recovery_code_used",
    "reset",
    "sign_in",
    "signup",
    "signup_taken",
]

LONGEST_WAIT_SECONDS = 86_400
"""How long a letter waits for a mail server that is away; by then its link is worth nothing."""
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 3_600.0


class Letter(Confidential, frozen=True, kw_only=True):
    """What a mail is made from. `link` is what it is about, `lock` the way to say that it was somebody else.

    `to` is empty for a letter that is to nobody: it costs what the others cost, and is never sent.
    """

    kind: LetterKind
    to: str
    language: str
    link: str = ""
    code: str = ""
    lock: str = ""
    values: dict[str, str] = msgspec.field(default_factory=dict[str, str])


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the queue; `tries` counts this one, `created_at` in seconds since 1970."""

    id: str
    sealed: bytes
    tries: int
    created_at: float


class MailQueue(Protocol):
    """Where letters wait, sealed, until they are sent."""

    async def add(self, mail_id: str, sealed: bytes, *, user_id: str, now: float) -> None:
        """Put a letter into the queue."""
        ...

    async def claim(self, *, now: float, until: float, limit: int) -> list[QueuedMail]:
        """Take letters that are due; nobody else is given them before `until`. One statement."""
        ...

    async def is_any_due(self, now: float) -> bool:
        """Whether there is a letter to claim."""
        ...

    async def put_off(self, mail_id: str, due_at: float) -> None:
        """Try a letter again later."""
        ...

    async def remove(self, mail_id: str) -> None:
        """Drop a letter that was sent, or never can be."""
        ...

    async def latest(self, limit: int) -> list[QueuedMail]:
        """The letters put in last, newest first."""
        ...

    async def forget_before(self, created_at: float) -> None:
        """Drop letters that have waited too long."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Drop the letters to somebody who is gone."""
        ...


def pause_after(tries: int) -> float:
    """How long to wait before the next try, in seconds."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 32))
