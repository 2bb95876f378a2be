"""An e-mail message in text and HTML (RFC 5322, RFC 2045).

Headers are set through `email.policy`, which refuses line breaks in a value: nothing that somebody typed can become a
header of its own, or another recipient.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from gatepass.server.confidential import Confidential


class Mail(Confidential, frozen=True, kw_only=True):
    """A mail in words."""

    to: str
    subject: str
    text: str
    html: str


class InvalidMail(Exception):
    """A mail that cannot be sent to anybody, whatever the mail server says."""


def message_of(mail: Mail, *, sender: str, sender_name: str, mail_id: str, now: float) -> EmailMessage:
    """Spell a mail.

    Raises:
        InvalidMail: when the address is none, or a header would not be one line.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = _address(sender, sender_name)
        message["To"] = _address(mail.to)
        message["Subject"] = mail.subject
        message["Date"] = datetime.fromtimestamp(now, UTC)
        message["Message-ID"] = f"<{mail_id}@{_address(sender).domain}>"
    except (ValueError, MessageError, IndexError) as error:
        raise InvalidMail("a header of this mail cannot be written") from error
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no out-of-office note comes back
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _address(text: str, name: str = "") -> Address:
    user, at, domain = text.rpartition("@")
    if not at or not user or not domain:
        raise ValueError("not an address")
    return Address(name, user, domain)
