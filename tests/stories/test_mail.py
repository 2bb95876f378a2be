"""Mails on their way: a queue in the database, a real mail server, and what goes wrong between them."""

from __future__ import annotations

import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.support.mailbox import mail_server
from tests.support.pages import Browser
from tests.support.server import ANN, OUTBOX, running_server
from tests.support.tls import self_signed
from tests.support.wait import eventually

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.domain.mail.queue import pause_after

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer, SettableClock


def test_a_mail_is_text_and_html(mail_api: httpx.Client, mailbox: Mailbox) -> None:
    """Both say the same; headers are as RFC 5322 and RFC 3834 have them, and links are of the issuer."""
    mail_api.post("/signup", json=ANN, headers={"host": "evil.example"})
    mail = mailbox.next_to(ANN["email"])
    html = mail.message.get_body(("html",))
    assert html is not None
    assert mail.token in html.get_content()
    assert "evil.example" not in mail.message.as_string()
    assert mail.message["from"] == "Gatepass <no-reply@localhost>"
    assert mail.message["auto-submitted"] == "auto-generated"
    for name in ("date", "message-id", "to", "subject"):
        assert len(mail.message.get_all(name, [])) == 1


def test_a_mail_server_that_is_away_is_tried_again(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox
) -> None:
    """4xx: again later, not before; nobody who asks notices, and one mail arrives."""
    refused: list[str] = []

    def busy_twice(address: str) -> str | None:
        refused.append(address)
        return "451 come back later" if len(refused) <= 2 else None

    def arrives_in_time() -> bool:
        mailing.clock.advance(1)
        return bool(mailbox.received)

    mailbox.answer = busy_twice
    assert mail_api.post("/signup", json=ANN).status_code == 202
    eventually(lambda: len(refused) == 1)
    began = mailing.clock.now
    eventually(arrives_in_time)
    assert mailing.clock.now - began >= pause_after(1) + pause_after(2)
    assert len(refused) == 3
    assert len(mailbox.received) == 1


def test_each_pause_is_longer_than_the_one_before() -> None:
    """Ten seconds, twenty, forty, up to an hour."""
    assert [pause_after(tries) for tries in (1, 2, 3, 9, 10, 10**9)] == [10, 20, 40, 2_560, 3_600, 3_600]


def test_a_mail_that_is_refused_for_good_is_dropped(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox
) -> None:
    """5xx: not tried again, and the next one is not held up."""
    refused: list[str] = []

    def not_ann(address: str) -> str | None:
        refused.append(address)
        return "550 nobody here" if address == ANN["email"] else None

    mailbox.answer = not_ann
    mail_api.post("/signup", json=ANN)
    eventually(lambda: refused == [ANN["email"]])
    mailing.clock.advance(3_600)
    mail_api.post("/signup", json=ANN | {"email": "bob@example.test"})
    mailbox.next_to("bob@example.test")
    assert refused == [ANN["email"], "bob@example.test"]


def test_addresses_beyond_ascii_at_a_mail_server_of_ascii(
    tmp_path: Path, clock: SettableClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A domain is sent as A-labels, so the mail arrives; a name that cannot be is dropped, and the log says why."""
    with (
        mail_server(enable_SMTPUTF8=False) as mailbox,
        running_server(tmp_path, clock, smtp_url=mailbox.url) as server,
        server.client() as api,
    ):
        for email in ("bücher@example.test", "user@münchen.example"):
            assert api.post("/signup", json=ANN | {"email": email}).status_code == 202
        assert "token=" in mailbox.next_to("user@xn--mnchen-3ya.example").text
        eventually(lambda: is_queue_empty(server))
    said = capsys.readouterr().out
    assert "SMTPUTF8" in said
    assert "again=False" in said
    assert "cannot be reached" not in said


def is_queue_empty(server: RunningServer) -> bool:
    """Whether no mail waits."""
    with closing(apsw.Connection(str(server.settings.sqlite_path))) as database:
        count = database.execute("SELECT COUNT(*) FROM mails").get
    return bool(count == 0)


def test_a_mail_outlives_the_server(tmp_path: Path, clock: SettableClock) -> None:
    """What could not be sent before a restart is sent after it."""
    with mail_server() as away:
        url = away.url
    with running_server(tmp_path, clock, smtp_url=url) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 202
    with mail_server() as mailbox, running_server(tmp_path, clock, smtp_url=mailbox.url):
        clock.advance(600)
        assert mailbox.next_to(ANN["email"]).subject == "Create your account"


def test_nothing_in_the_queue_can_be_read(tmp_path: Path, clock: SettableClock) -> None:
    """Notices are sealed: neither address nor link of one that waits is in the database, nor a code in the clear."""
    with mail_server() as away:
        url = away.url
    with running_server(tmp_path, clock, smtp_url=url) as server, server.client() as api:
        api.post("/signup", json=ANN)
    data = b"".join(path.read_bytes() for path in tmp_path.glob("gatepass.db*"))
    assert b"/pages/signup/verify" not in data
    assert b"token=" not in data


def test_by_tls_with_a_password(tmp_path: Path) -> None:
    """`smtps://` with a user and password, and a certificate that is trusted by `smtp_ca_file`; not without it."""
    cert, key = self_signed(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    seen: list[tuple[bytes, bytes]] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:  # noqa: ANN401
        assert isinstance(given, LoginPassword)
        seen.append((given.login, given.password))
        return AuthResult(success=given.password == b"a secret")

    options: dict[str, Any] = {
        "ssl_context": context,
        "authenticator": authenticate,
        "auth_require_tls": False,
    }
    with mail_server(**options) as mailbox:
        url = mailbox.url.replace("smtp://127.0.0.1", "smtps://gatepass%40example.test@localhost")
        settings: dict[str, Any] = {"smtp_url": url, "smtp_password": "a secret"}
        with running_server(tmp_path / "a", smtp_ca_file=str(cert), **settings) as server, server.client() as api:
            assert "a secret" not in repr(server.settings)
            api.post("/signup", json=ANN)
            mailbox.next_to(ANN["email"])
        assert seen == [(b"gatepass@example.test", b"a secret")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_url", "mail.example.com"),
        ("smtp_url", "http://mail.example.com"),
        ("smtp_url", "smtp://user:password@mail.example.com"),
        ("mail_from", "Gatepass <no-reply@example.com>"),
        ("mail_from", "x@example.com\nBcc: y@example.com"),
        ("smtp_ca_file", "nowhere.pem"),
    ],
)
def test_a_wrong_setting_refuses_to_start(name: str, value: str) -> None:
    """Not half a mail server."""
    with pytest.raises(StartupError):
        load(flags={name: value})


def test_without_a_mail_server_there_is_an_outbox(
    server: RunningServer, api: httpx.Client, ann: dict[str, str]
) -> None:
    """On loopback a page shows what would have been sent, the latest first, with its links."""
    with Browser(server) as browser:
        assert "No emails yet" in browser.get(OUTBOX).text
        api.post("/password/forgotten", json={"email": ann["email"]})
        api.post("/login/email", json={"email": ann["email"]})
        api.post("/login/email", json={"email": "nobody@example.test"})
        text = browser.get(OUTBOX).text
        assert text.index("Your sign-in code") < text.index("Set a new password")
        assert "nobody@example.test" not in text
        token = text.partition("/pages/reset?token=")[2][:43]
        assert api.post("/password/reset", json={"token": token, "password": "a new sentence"}).status_code == 422
        assert api.post("/password/reset", json={"token": token, "password": "a new long sentence"}).status_code == 204
