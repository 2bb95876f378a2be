"""Sending emails to a mail server (RFC 5321), over TLS unless it is on this machine."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from gatepass.server.base.urls import is_loopback

if TYPE_CHECKING:
    from email.message import EmailMessage

    from gatepass.server.base.settings import Settings

_SECONDS = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_NEVER = 500
"""Replies from here on are permanent failures (RFC 5321 §4.2.1)."""


class NotSent(Exception):
    """The mail server refused an email. `for_good`: a retry would not help."""

    def __init__(self, reason: str, *, for_good: bool) -> None:
        super().__init__(reason)
        self.for_good = for_good


class Sender(Protocol):
    """Sends emails."""

    async def send(self, message: EmailMessage) -> None:
        """Send one email.

        Raises:
            NotSent: when it was not taken.
        """
        ...


class SmtpSender:
    """Sends by SMTP: `smtps://` is TLS from the start, `smtp://` STARTTLS, or neither where the server is loopback."""

    def __init__(self, url: str, *, password: str, ca_file: str, is_loopback: bool) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._user = unquote(parts.username or "")
        self._password = password
        self._use_tls = parts.scheme == "smtps"
        self._start_tls = not self._use_tls and not is_loopback
        self._tls = ssl.create_default_context(cafile=ca_file or None)

    async def check(self) -> None:
        """Check that the mail server accepts our login. Raises as `Sender.send`."""
        import aiosmtplib  # noqa: PLC0415 - only servers with a mail server need it

        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user or None,
            password=self._password or None,
            use_tls=self._use_tls,
            start_tls=self._start_tls,
            tls_context=self._tls if self._use_tls or self._start_tls else None,
            timeout=_SECONDS,
        )
        try:
            async with client:
                await client.noop()
        except aiosmtplib.SMTPResponseException as error:
            raise NotSent(f"the mail server answered {error.code}", for_good=False) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent(f"the mail server cannot be reached: {type(error).__name__}", for_good=False) from error

    async def send(self, message: EmailMessage) -> None:
        """Send one email in its own connection. Raises as `Sender`."""
        import aiosmtplib  # noqa: PLC0415 - only servers with a mail server need it

        try:
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user or None,
                password=self._password or None,
                use_tls=self._use_tls,
                start_tls=self._start_tls,
                tls_context=self._tls if self._use_tls or self._start_tls else None,
                timeout=_SECONDS,
            )
        except aiosmtplib.SMTPNotSupported as error:
            if str(message["To"]).isascii():
                raise NotSent(f"the mail server lacks what is needed: {error}", for_good=False) from error
            reason = "the address has non-ASCII characters, which the mail server does not support (SMTPUTF8)"
            raise NotSent(reason, for_good=True) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            for_good = all(refused.code >= _NEVER for refused in error.recipients)
            raise NotSent("the recipient is refused", for_good=for_good) from error
        except aiosmtplib.SMTPResponseException as error:
            # An authentication failure is about our settings, not about this email.
            for_good = error.code >= _NEVER and not isinstance(error, aiosmtplib.SMTPAuthenticationError)
            raise NotSent(f"the mail server answered {error.code}", for_good=for_good) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent(f"the mail server cannot be reached: {type(error).__name__}", for_good=False) from error


def mail_sender(settings: Settings) -> SmtpSender | None:
    """The configured mail server, if there is one."""
    if settings.mail != "smtp":
        return None
    host = urlsplit(settings.smtp_url).hostname or ""
    return SmtpSender(
        settings.smtp_url,
        password=settings.smtp_password,
        ca_file=settings.smtp_ca_file,
        is_loopback=is_loopback(host),
    )
