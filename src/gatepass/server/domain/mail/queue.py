"""An email before it is rendered: its kind, recipient and links. Stored sealed in the queue, because of the links."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.events.event import (
    NOWHERE,
    Origin,  # noqa: TC001 - msgspec reads the annotations
)

NoticeKind = Literal[
    "account_deleted",
    "account_locked",
    "earlier_access_removed",
    "email_change",
    "email_changed",
    "email_taken",
    "factor_added",
    "factor_removed",
    "impersonated",
    "invitation",
    "organization_invitation",
    "password_changed",
    "provider_connected",
    "recovery_code_used",
    "reset",
    "sign_in",
    "signup",
    "signup_taken",
]

LONGEST_WAIT_SECONDS = 86_400
"""How long an email is retried while the mail server is down; after that its link has expired."""
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 3_600.0


class Notice(Confidential, frozen=True, kw_only=True):
    """The data of an email. `link` is its main link, `lock` the link for "this wasn't me".

    Links are relative to the issuer until the server that sends the email completes them. `where` and `at` are of the
    request that led to the email, as far as its recipient is to know them; `seconds` is how long the link works.
    `to` is empty for a dummy: it costs what a real email costs, and is never sent.
    """

    kind: NoticeKind
    to: str
    language: str
    link: str = ""
    code: str = ""
    lock: str = ""
    values: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    where: Origin = NOWHERE
    at: float = 0.0
    seconds: float = 0.0


class QueuedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A queued email; `tries` includes this one, `created_at` in seconds since 1970."""

    id: str
    sealed: bytes
    tries: int
    created_at: float


class MailQueue(Protocol):
    """The queue of sealed emails."""

    async def add(self, mail_id: str, sealed: bytes, *, user_id: str, now: float) -> None:
        """Add an email."""
        ...

    async def claim(self, *, now: float, until: float, limit: int) -> list[QueuedMail]:
        """Take emails that are due; no other node gets them before `until`. One statement."""
        ...

    async def is_any_due(self, now: float) -> bool:
        """Whether there is an email to claim."""
        ...

    async def put_off(self, waiting_id: str, due_at: float) -> None:
        """Retry an email later."""
        ...

    async def remove(self, waiting_id: str) -> None:
        """Remove an email that was sent, or never can be."""
        ...

    async def latest(self, limit: int) -> list[QueuedMail]:
        """The latest emails, newest first."""
        ...

    async def forget_before(self, created_at: float) -> None:
        """Remove emails that have waited too long."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Remove the emails to a deleted user."""
        ...


def pause_after(tries: int) -> float:
    """How long to wait before the next try, in seconds."""
    return min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 32))
