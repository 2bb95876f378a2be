"""Mail header injection: an address or another value that carries a line break and a header of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gatepass.server.domain.mail.message import InvalidMail, Mail, message_of

if TYPE_CHECKING:
    import httpx
    from tests.support.mailbox import Mailbox

ADDRESSES = [
    "ann@example.test\r\nBcc: eve@example.test",
    "ann@example.test\nBcc: eve@example.test",
    "ann@example.test, eve@example.test",
    "ann@example.test;eve@example.test",
    "<ann@example.test> NOTIFY=SUCCESS",
    "ann@example.test>\r\nRCPT TO:<eve@example.test",
    '"ann\r\nBcc: eve"@example.test',
    "ann%0d%0aBcc:eve@example.test@example.test",
    "ann@example.test\0",
    "ann@example.test\u2028Bcc: eve@example.test",
    "eve@example.test\r",
]


@pytest.mark.parametrize("path", ["/password/forgotten", "/login/email", "/signup"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_no_such_address_gets_as_far_as_a_mail(
    mail_api: httpx.Client, mailbox: Mailbox, path: str, address: str
) -> None:
    """422 `invalid_email`, and the mail server never hears of it."""
    body = {"email": address} | ({"password": "a sentence of some words"} if path == "/signup" else {})
    answer = mail_api.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_email")
    assert mailbox.received == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_nor_is_one_written_into_a_header(address: str) -> None:
    """Should one come by another way, the message is not made."""
    mail = Mail(to=address, subject="Hello", text="text", html="<p>text</p>")
    try:
        message = message_of(mail, sender="no-reply@example.test", sender_name="Gatepass", mail_id="mail_1", now=0)
    except InvalidMail:
        return
    assert set(message.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip
    assert len(message["to"].addresses) == 1
    assert "\nBcc" not in message.as_string()


@pytest.mark.parametrize("subject", ["Hello\r\nBcc: eve@example.test", "Hello\nBcc: eve@example.test", "a\rb"])
def test_a_subject_is_one_line(subject: str) -> None:
    """A line break in one is refused."""
    mail = Mail(to="ann@example.test", subject=subject, text="text", html="<p>text</p>")
    with pytest.raises(InvalidMail):
        message_of(mail, sender="no-reply@example.test", sender_name="Gatepass", mail_id="mail_1", now=0)
