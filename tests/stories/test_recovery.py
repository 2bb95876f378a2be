"""Ways back: a forgotten password, and an account that somebody else has got into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_passkeys import add, enter
from tests.support.authenticator import Authenticator
from tests.support.factors import Application, bearer, finish
from tests.support.pages import Browser
from tests.support.server import ANN, running_server

from gatepass.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer

NEW = "another sentence of words"


def forgotten(api: httpx.Client, mailbox: Mailbox, email: str = ANN["email"]) -> str:
    """Ask for a new password, and read the mail."""
    before = len(mailbox.to(email))
    answer = api.post("/password/forgotten", json={"email": email})
    assert (answer.status_code, answer.json()) == (202, {"email": email})
    return mailbox.next_to(email, before + 1).token


def test_a_new_password_by_mail(mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """The link sets it once; the old one and every session are dead, and a mail tells of it."""
    pair = mail_api.post("/login", json=verified_ann).json()
    token = forgotten(mail_api, mailbox)
    assert mail_api.post("/password/reset", json={"token": token, "password": NEW}).status_code == 204
    assert mail_api.post("/login", json=verified_ann).status_code == 401
    assert mail_api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["code"] == "session_ended"
    assert mail_api.post("/login", json=verified_ann | {"password": NEW}).status_code == 200
    assert mailbox.next_to(ANN["email"], 2).subject == "Your password was changed"
    again = mail_api.post("/password/reset", json={"token": token, "password": "yet another sentence"})
    assert (again.status_code, again.json()["code"]) == (403, "invalid_code")


def test_a_password_that_is_not_taken_does_not_cost_the_link(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Too short: 422, and the same link still works."""
    assert verified_ann == ANN
    token = forgotten(mail_api, mailbox)
    answer = mail_api.post("/password/reset", json={"token": token, "password": "short"})
    assert answer.json()["code"] == "password_too_short"
    assert mail_api.post("/password/reset", json={"token": token, "password": NEW}).status_code == 204


def test_a_reset_uses_up_every_other_link(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Of two mails the second is used; the first opens nothing any more. Nor does one that is over an hour old."""
    assert verified_ann == ANN
    first = forgotten(mail_api, mailbox)
    second = forgotten(mail_api, mailbox)
    assert mail_api.post("/password/reset", json={"token": second, "password": NEW}).status_code == 204
    assert mail_api.post("/password/reset", json={"token": first, "password": NEW}).status_code == 403
    late = forgotten(mail_api, mailbox)
    mailing.clock.advance(3_601)
    assert mail_api.post("/password/reset", json={"token": late, "password": NEW}).status_code == 403


def test_this_was_not_me(mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """A thief sets a password by a borrowed mailbox; the mail's link locks the account at once, a reset opens it."""
    token = forgotten(mail_api, mailbox)
    mail_api.post("/password/reset", json={"token": token, "password": "the thief's own password"})
    thief = mail_api.post("/login", json=verified_ann | {"password": "the thief's own password"}).json()
    lock = mailbox.next_to(ANN["email"], 2).token
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 204
    assert mail_api.post("/refresh", json={"refresh_token": thief["refresh_token"]}).json()["code"] == "session_ended"
    answer = mail_api.post("/login", json=verified_ann | {"password": "the thief's own password"})
    assert (answer.status_code, answer.json()["code"]) == (403, "account_locked")
    assert mail_api.post("/login", json=verified_ann).json()["code"] == "invalid_credentials"
    assert mailbox.next_to(ANN["email"], 3).subject == "Your account is locked"
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 403
    token = forgotten(mail_api, mailbox)
    assert mail_api.post("/password/reset", json={"token": token, "password": NEW}).status_code == 204
    assert mail_api.post("/login", json=verified_ann | {"password": NEW}).status_code == 200


def test_what_a_thief_has_set_up_goes(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A thief adds a passkey and an application; the link of the first one's mail takes both, and older ones stay."""
    own, thiefs = Authenticator(mailing.url), Authenticator(mailing.url)
    before = len(mailbox.to(ANN["email"])) + 1
    add(mail_api, own, mail_api.post("/login", json=verified_ann).json()["token"])
    mailing.clock.advance(60)
    stolen = enter(mail_api, own).json()["token"]
    assert add(mail_api, thiefs, stolen).status_code == 201
    lock = mailbox.next_to(ANN["email"], before + 1).token
    mailing.clock.advance(60)
    offered = mail_api.post("/account/totp", headers=bearer(stolen)).json()
    code = Application(mailing, offered["uri"]).code()
    assert mail_api.post("/account/totp/confirm", json={"code": code}, headers=bearer(stolen)).status_code == 200
    made = mail_api.post("/account/recovery-codes", headers=bearer(stolen)).json()["recovery_codes"]
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 204
    mailbox.next_to(ANN["email"], before + 3)
    token = forgotten(mail_api, mailbox)
    assert mail_api.post("/password/reset", json={"token": token, "password": NEW}).status_code == 204
    assert enter(mail_api, thiefs).json()["code"] == "invalid_passkey"
    due = mail_api.post("/login", json=verified_ann | {"password": NEW})
    assert due.json()["factors"] == ["passkey"]
    assert finish(mail_api, due, recovery_code=made[0]).json()["code"] == "invalid_code"
    assert enter(mail_api, own).status_code == 200


def test_a_mailbox_alone_takes_no_factor_away(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Whoever reads the mail can reset, lock and reset again; the factor from before is asked all the same."""
    own = Authenticator(mailing.url)
    before = len(mailbox.to(ANN["email"]))
    add(mail_api, own, mail_api.post("/login", json=verified_ann).json()["token"])
    mailbox.next_to(ANN["email"], before + 1)
    mailing.clock.advance(60)
    token = forgotten(mail_api, mailbox)
    mail_api.post("/password/reset", json={"token": token, "password": NEW})
    lock = mailbox.next_to(ANN["email"], before + 3).token
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 204
    mailbox.next_to(ANN["email"], before + 4)
    mail_api.post("/password/reset", json={"token": forgotten(mail_api, mailbox), "password": NEW})
    assert mail_api.post("/login", json=verified_ann | {"password": NEW}).json()["code"] == "second_factor_required"


def test_the_pages_do_the_same(mailing: RunningServer, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """Forgotten, reset, and locked, by forms; following the link alone does nothing."""
    with Browser(mailing) as browser:
        assert "Check your email" in browser.post("/pages/forgotten", email=ANN["email"]).text
        link = mailbox.next_to(ANN["email"]).link
        for _ in range(3):
            assert "New password" in browser.get(link).text
        assert "at least" in browser.post("/pages/reset", at=link, password="short").text.lower()
        used = browser.fields(link) | {"password": NEW}
        assert "Your password is set" in browser.post("/pages/reset", at=link, password=NEW).text
        assert browser.refresh().status_code == 200
        dead = browser.get(link)
        assert (dead.status_code, "<form" in dead.text) == (403, False)
        assert "This link no longer works" in dead.text
        again = browser.http.post("/pages/reset", data=used, headers={"origin": mailing.url})
        assert again.status_code == 403
        lock = mailbox.next_to(ANN["email"], 2).link
        browser.sign_in(verified_ann | {"password": NEW})
        assert browser.refresh().status_code == 200
        browser.get(lock)
        assert browser.refresh().status_code == 200
        assert "Your account is locked" in browser.post("/pages/lock", at=lock).text
        assert browser.refresh().status_code == 401


def test_a_disabled_account_stays_so(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """What the operator has disabled no mail opens: an old link is refused, and none is sent."""
    token = forgotten(mail_api, mailbox)
    main(["user", "disable", verified_ann["email"], *mailing.place])
    assert mail_api.post("/password/reset", json={"token": token, "password": NEW}).status_code == 403
    mail_api.post("/password/forgotten", json={"email": verified_ann["email"]})
    mail_api.post("/signup", json={"email": "bob@example.test", "password": NEW})
    mailbox.next_to("bob@example.test")  # the queue is in order, so hers would be there
    assert len(mailbox.to(ANN["email"])) == 1


@pytest.mark.parametrize("path", ["/password/forgotten", "/login/email"])
def test_a_server_that_sends_no_mail_says_so(tmp_path: Path, path: str) -> None:
    """Not on loopback, and without a mail server: 501, and sign-up goes on as before."""
    settings: dict[str, Any] = {"issuer": "https://auth.example.test", "trusted_proxy": ("127.0.0.1/32",)}
    with running_server(tmp_path, **settings) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        answer = api.post(path, json={"email": ANN["email"]})
        assert (answer.status_code, answer.json()["code"]) == (501, "mail_not_configured")
        assert api.get("/pages/outbox").status_code == 404
