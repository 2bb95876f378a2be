"""An email message in text and HTML (RFC 5322, RFC 2045).

Headers are set through `email.policy`, which refuses line breaks in a value, so user input cannot add a header or a
recipient.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from email_validator import EmailNotValidError, validate_email

from gatepass.server.base.confidential import Confidential


class Mail(Confidential, frozen=True, kw_only=True):
    """A rendered email; without HTML, it is plain text."""

    to: str
    subject: str
    text: str
    html: str


class InvalidMail(Exception):
    """An email that no mail server could deliver."""


def message_of(mail: Mail, *, sender: str, sender_name: str, mail_id: str, now: float) -> EmailMessage:
    """Build the message.

    Raises:
        InvalidMail: when the address is none, or a header would not be one line.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = _address(sender, sender_name)
        message["To"] = _address(_as_ascii(mail.to))
        message["Subject"] = mail.subject
        message["Date"] = datetime.fromtimestamp(now, UTC)
        message["Message-ID"] = f"<{mail_id}@{_address(sender).domain}>"
    except (ValueError, MessageError, IndexError) as error:
        raise InvalidMail("a header of this mail cannot be written") from error
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: prevents out-of-office replies
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
    return message


def _as_ascii(address: str) -> str:
    """An address with its domain in ASCII (RFC 5890, A-labels), which works with every mail server."""
    user, _, domain = address.rpartition("@")
    if not user.isascii() or domain.isascii():
        return address
    try:
        found = validate_email(address, check_deliverability=False, test_environment=True).ascii_email
    except (EmailNotValidError, UnicodeError):
        return address
    return found or address


def _address(text: str, name: str = "") -> Address:
    user, at, domain = text.rpartition("@")
    if not at or not user or not domain:
        raise ValueError("not an address")
    return Address(name, user, domain)
