"""A real mail server on loopback, which keeps what it is sent."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from email.message import EmailMessage

    from aiosmtpd.smtp import SMTP, Envelope, Session

_LINK = re.compile(r"https?://\S+token=\S+")
_CODE = re.compile(r"^    (\d{4}) (\d{4})$", re.MULTILINE)


@dataclass(frozen=True)
class Received:
    """A mail as it arrived: the envelope's recipients, and the message."""

    recipients: tuple[str, ...]
    message: EmailMessage

    @property
    def subject(self) -> str:
        """The subject."""
        return str(self.message["subject"])

    @property
    def text(self) -> str:
        """The text part."""
        part = self.message.get_body(("plain",))
        assert part is not None
        content: str = part.get_content()
        return content.replace("\r\n", "\n")

    @property
    def link(self) -> str:
        """The first link with a token, as a path of the server."""
        found = _LINK.search(self.text)
        assert found, self.text
        return "/" + found[0].split("/", 3)[3]

    @property
    def token(self) -> str:
        """That link's token."""
        return self.link.partition("token=")[2].partition("&")[0]

    @property
    def code(self) -> str:
        """The code for typing."""
        found = _CODE.search(self.text)
        assert found, self.text
        return found[1] + found[2]


@dataclass
class Mailbox:
    """What has arrived. `answer` decides about each recipient: None takes the mail, a text is the reply instead."""

    received: list[Received] = field(default_factory=list[Received])
    answer: Callable[[str], str | None] = lambda _: None
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient or not."""
        refused = self.answer(address)
        if refused is not None:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a mail."""
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self._lock:
            self.received.append(Received(tuple(envelope.rcpt_tos), message))
        return "250 OK"

    def to(self, address: str) -> list[Received]:
        """The mails to somebody, oldest first."""
        with self._lock:
            return [mail for mail in self.received if mail.recipients == (address,)]

    def next_to(self, address: str, number: int = 1) -> Received:
        """Wait until somebody has so many mails; the last of them."""
        eventually(lambda: len(self.to(address)) >= number)
        return self.to(address)[number - 1]


class _Controller(Controller):
    """aiosmtpd's, on whichever port is free."""

    def _trigger_server(self) -> None:
        """Find out the port before the controller knocks at it."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(**options: Any) -> Generator[Mailbox]:  # noqa: ANN401 - aiosmtpd's own
    """Run a mail server on a free port until the block ends."""
    mailbox = Mailbox()
    controller = _Controller(mailbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        mailbox.url = f"smtp://127.0.0.1:{controller.port}"
        yield mailbox
    finally:
        controller.stop()
