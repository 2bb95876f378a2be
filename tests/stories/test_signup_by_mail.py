"""Somebody signs up where the server can send mail: the account is made once the mail is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.pages import Browser
from tests.support.server import ANN

if TYPE_CHECKING:
    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer


def test_an_account_is_made_by_answering_the_mail(mail_api: httpx.Client, mailbox: Mailbox) -> None:
    """202 and a mail; before the answer the password opens nothing, after it the address is verified."""
    answer = mail_api.post("/signup", json=ANN)
    assert (answer.status_code, answer.json()) == (202, {"email": ANN["email"]})
    assert mail_api.post("/login", json=ANN).json()["code"] == "invalid_credentials"
    mail = mailbox.next_to(ANN["email"])
    assert mail.subject == "Create your account"
    made = mail_api.post("/signup/verify", json={"token": mail.token, "password": ANN["password"]})
    assert made.status_code == 201
    assert made.json()["email"] == ANN["email"]
    pair = mail_api.post("/login", json=ANN).json()
    me = mail_api.get("/me", headers={"authorization": f"Bearer {pair['token']}"}).json()
    assert (me["id"], me["email_verified"]) == (made.json()["id"], True)


def test_the_link_works_once_and_for_an_hour(mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox) -> None:
    """A second use, and one after an hour, is 403 `invalid_code`."""
    mail_api.post("/signup", json=ANN)
    token = mailbox.next_to(ANN["email"]).token
    body = {"token": token, "password": ANN["password"]}
    assert mail_api.post("/signup/verify", json=body).status_code == 201
    answer = mail_api.post("/signup/verify", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "invalid_code")
    bob = {"email": "bob@example.test", "password": "bob has a long password"}
    mail_api.post("/signup", json=bob)
    token = mailbox.next_to(bob["email"]).token
    mailing.clock.advance(3_601)
    assert mail_api.post("/signup/verify", json={"token": token, "password": bob["password"]}).status_code == 403


def test_who_has_an_account_is_told_so_by_mail(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """The answer is the same as for a new address; the owner's mail says that there is one, and nothing changes."""
    answer = mail_api.post("/signup", json=verified_ann | {"password": "another long password"})
    assert (answer.status_code, answer.json()) == (202, {"email": verified_ann["email"]})
    assert mailbox.next_to(verified_ann["email"]).subject == "You already have an account"
    assert mail_api.post("/login", json=verified_ann).status_code == 200


def test_signing_up_on_the_pages(mailing: RunningServer, mailbox: Mailbox) -> None:
    """In the browser that asked, the mail's page is one button, which signs in; then the password works too."""
    with Browser(mailing) as browser:
        assert "Check your email" in browser.post("/pages/signup", **ANN).text
        link = mailbox.next_to(ANN["email"]).link
        assert 'name="password"' not in browser.get(link).text
        assert ANN["email"] in browser.get(link).text
        assert browser.post("/pages/signup/verify", at=link).headers["location"] == "/pages/account"
        assert browser.refresh().status_code == 200
        assert browser.sign_in(ANN).status_code == 303


def test_another_mail_for_the_same_sign_up(mailing: RunningServer, mailbox: Mailbox) -> None:
    """The button sends a link in place of the first, which is dead; a browser that waits for none is told so."""
    with Browser(mailing) as browser, Browser(mailing) as another:
        first = browser.post("/pages/signup", **ANN, return_to="/pages/account/factors")
        assert "Use another email address" in first.text
        again = browser.http.post(
            "/pages/signup/again",
            data=browser.fields("/pages/signup") | {"return_to": "/pages/account/factors"},
            headers={"origin": mailing.url},
        )
        assert "Sent again." in again.text
        assert another.post("/pages/signup/again", at="/pages/signup").status_code == 403
        former, link = mailbox.next_to(ANN["email"]).link, mailbox.next_to(ANN["email"], 2).link
        assert "This link no longer works" in browser.get(former).text
        done = browser.post("/pages/signup/verify", at=link)
        assert done.headers["location"] == "/pages/account/factors"
