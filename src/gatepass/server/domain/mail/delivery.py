"""Sending the queued emails: a few at a time, with retries while the mail server is down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import structlog

from gatepass.server.domain.mail.message import InvalidMail, message_of
from gatepass.server.domain.mail.queue import LONGEST_WAIT_SECONDS, Notice, pause_after
from gatepass.server.domain.mail.smtp import NotSent
from gatepass.server.domain.mail.wording import MailWording

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.mail.message import Mail
    from gatepass.server.domain.mail.queue import QueuedMail
    from gatepass.server.domain.mail.smtp import Sender
    from gatepass.server.domain.ports import Database, Transaction

log = structlog.get_logger("gatepass")

_AT_ONCE = 10
_CLAIM_SECONDS = 300.0
"""How long one node owns a queued email: longer than sending `_AT_ONCE` of them can take."""
_MOST_SHOWN = 50


class MailDelivery:
    """Sends queued emails, or keeps them for the outbox page if there is no mail server."""

    def __init__(self, database: Database, data_key: DataKey, sender: Sender | None, *, settings: Settings) -> None:
        self._database = database
        self._data_key = data_key
        self._sender = sender
        self._address = settings.sender
        self._site_name = settings.site_name
        self._issuer = settings.issuer_url
        self._wording = MailWording.of(settings)

    async def send_due(self) -> None:
        """Send the emails that are due."""
        while self._sender is not None and (notices := await self._claim()):
            for waiting in notices:
                await self._send(waiting, self._sender)

    async def latest(self) -> list[Mail]:
        """The latest emails, for the outbox of a server without a mail server."""

        async def unit(tx: Transaction) -> list[QueuedMail]:
            return await tx.mails.latest(_MOST_SHOWN)

        notices = [self._open(waiting) for waiting in await self._database.read(unit)]
        return [self._wording.render(notice) for notice in notices if notice.to]

    async def forget_old(self, tx: Transaction) -> None:
        """Remove emails that have waited too long."""
        await tx.mails.forget_before(tx.now - LONGEST_WAIT_SECONDS)

    async def _claim(self) -> list[QueuedMail]:
        async def look(tx: Transaction) -> bool:
            return await tx.mails.is_any_due(tx.now)

        async def unit(tx: Transaction) -> list[QueuedMail]:
            return await tx.mails.claim(now=tx.now, until=tx.now + _CLAIM_SECONDS, limit=_AT_ONCE)

        # Most of the time the queue is empty, and checking costs no write.
        return await self._database.transaction(unit, shared=True) if await self._database.read(look) else []

    async def _send(self, waiting: QueuedMail, sender: Sender) -> None:
        notice = self._open(waiting)
        is_done = True
        try:
            if notice.to:
                await sender.send(
                    message_of(
                        self._wording.render(notice),
                        sender=self._address,
                        sender_name=self._site_name,
                        mail_id=waiting.id,
                        now=waiting.created_at,
                    )
                )
        except (NotSent, InvalidMail) as error:
            is_done = isinstance(error, InvalidMail) or error.for_good
            log.warning("an email was not sent", kind=notice.kind, id=waiting.id, reason=str(error), again=not is_done)

        async def unit(tx: Transaction) -> None:
            if is_done:
                await tx.mails.remove(waiting.id)
            else:
                await tx.mails.put_off(waiting.id, tx.now + pause_after(waiting.tries))

        await self._database.transaction(unit, shared=True)

    def _open(self, waiting: QueuedMail) -> Notice:
        notice = msgspec.json.decode(self._data_key.unseal(waiting.sealed, waiting.id), type=Notice)
        return msgspec.structs.replace(notice, link=self._complete(notice.link), lock=self._complete(notice.lock))

    def _complete(self, link: str) -> str:
        return f"{self._issuer}{link}" if link.startswith("/") else link
