"""Links and codes in mails: used again, elsewhere, by guessing; and mails as a weapon against whoever gets them."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.factors import Application
from tests.support.pages import Browser
from tests.support.server import ANN

from gatepass.cli.main import main
from gatepass.server.domain.credentials.one_time_code import MOST_TRIES
from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher

if TYPE_CHECKING:
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer, SettableClock

NO_USER = "nobody@example.test"
PASSWORD = "a new sentence of words"


def ask(api: httpx.Client, mailbox: Mailbox) -> tuple[str, str, str]:
    """Ask for a sign-in by mail: challenge, code and token."""
    number = len(mailbox.to(ANN["email"])) + 1
    challenge = api.post("/login/email", json={"email": ANN["email"]}).json()["challenge"]
    mail = mailbox.next_to(ANN["email"], number)
    return challenge, mail.code, mail.token


def test_a_code_that_is_sent_twice_at_once_signs_in_once(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Of twenty uses at the same moment one wins; the same for the token of a reset."""
    assert verified_ann == ANN
    challenge, code, _ = ask(mail_api, mailbox)
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    reset = mailbox.next_to(ANN["email"], 2).token

    async def race(path: str, body: dict[str, str]) -> list[int]:
        async with httpx.AsyncClient(base_url=mailing.url, timeout=30) as api:
            answers = await asyncio.gather(*(api.post(path, json=body) for _ in range(20)))
            return sorted(answer.status_code for answer in answers)

    signed_in = asyncio.run(race("/login/email/code", {"challenge": challenge, "code": code}))
    assert signed_in == [200] + [403] * 19
    resets = asyncio.run(race("/password/reset", {"token": reset, "password": PASSWORD}))
    assert resets == [204] + [403] * 19


def test_a_mail_is_worth_nothing_without_the_challenge(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Whoever reads the mail and did not ask for it gets nowhere; the one who asked is not kept from it."""
    assert verified_ann == ANN
    challenge, code, token = ask(mail_api, mailbox)
    for body in ({"challenge": "another", "code": code}, {"challenge": "another", "token": token}):
        assert mail_api.post("/login/email/code", json=body).json()["code"] == "invalid_code"
    assert mail_api.post("/login/email/code", json={"challenge": challenge, "token": token}).status_code == 200


def test_a_link_in_another_browser_signs_nobody_in(
    mailing: RunningServer, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A link that was forwarded, or asked for by an attacker for their victim to click, opens nothing there."""
    with Browser(mailing) as asking, Browser(mailing) as another:
        asking.post("/pages/login/email", email=verified_ann["email"])
        mail = mailbox.next_to(ANN["email"])
        link = mail.link
        seen = another.get(link)
        assert "Continue in your other browser" in seen.text
        assert "<form" not in seen.text
        assert ANN["email"] not in seen.text
        for filled in ({"token": mail.token}, {"token": mail.token, "code": mail.code}):
            answer = another.post("/pages/login/link", at="/pages/login/email", **filled)
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers
        assert another.post("/pages/login/email/code", at="/pages/login/email", code=mail.code).status_code == 403
        assert another.refresh().json()["code"] == "missing_refresh_token"
        assert asking.post("/pages/login/link", at=link).status_code == 303


def test_a_link_that_is_only_looked_at_does_nothing(
    mailing: RunningServer, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Mail scanners fetch links: GET and HEAD leave a code as it is, and sign nobody in."""
    with Browser(mailing) as browser:
        browser.post("/pages/login/email", email=verified_ann["email"])
        link = mailbox.next_to(ANN["email"]).link
        for _ in range(3):
            assert browser.http.get(link).status_code == 200
            assert browser.http.head(link).status_code == 200
        assert browser.refresh().status_code == 401
        assert browser.post("/pages/login/link", at=link).status_code == 303


def test_a_reset_signs_in_past_no_factor(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A mailbox and a trusted browser do not stand in for the second factor: the page asks for it, before a session."""
    with Browser(mailing) as browser:
        token = mail_api.post("/login", json=verified_ann).json()["token"]
        headers = {"authorization": f"Bearer {token}"}
        offered = mail_api.post("/account/totp", headers=headers).json()
        application = Application(mailing, offered["uri"])
        mail_api.post("/account/totp/confirm", json={"code": application.code()}, headers=headers)
        mailing.clock.advance(60)
        browser.sign_in(verified_ann)
        browser.post("/pages/login/factor", code=application.code(), remember="1")
        assert browser.sign_in(verified_ann).headers["location"].endswith("/account")  # it is trusted
        browser.post("/pages/forgotten", email=ANN["email"])
        link = mailbox.next_to(ANN["email"], 2).link
        browser.http.cookies.delete("gatepass-refresh", domain="localhost.local")
        answer = browser.post("/pages/reset", at=link, password=PASSWORD)
        assert answer.status_code == 303
        assert "/pages/login/factor" in answer.headers["location"]
        assert browser.refresh().status_code == 401


@pytest.mark.parametrize("what", ["disabled", "locked"])
def test_a_reset_signs_in_to_no_closed_account(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str], what: str
) -> None:
    """An account that the operator closed in the meantime stays so; one that its owner locked is opened by this."""
    mail_api.post("/password/forgotten", json={"email": verified_ann["email"]})
    link = mailbox.next_to(ANN["email"]).link
    if what == "disabled":
        main(["user", "disable", ANN["email"], *mailing.place])
    else:
        mail_api.post("/password/reset", json={"token": mailbox.next_to(ANN["email"]).token, "password": PASSWORD})
        mail_api.post("/account/lock", json={"token": mailbox.next_to(ANN["email"], 2).token})
        mail_api.post("/password/forgotten", json={"email": verified_ann["email"]})
        link = mailbox.next_to(ANN["email"], 4).link
    with Browser(mailing) as browser:
        answer = browser.post("/pages/reset", at=link, password="yet another sentence")
        assert answer.status_code == (403 if what == "disabled" else 200)
        assert browser.refresh().status_code == (401 if what == "disabled" else 200)


def test_a_reset_says_whose_password_it_sets(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Login CSRF: a victim who is sent the attacker's own reset link sees whose account it is."""
    mail_api.post("/password/forgotten", json={"email": verified_ann["email"]})
    with Browser(mailing) as victim:
        assert f"Set a new password for {ANN['email']}." in victim.get(mailbox.next_to(ANN["email"]).link).text


def test_a_mail_repeats_nothing_that_a_stranger_wrote(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A request's own name for its program is no advertisement in a mail to another; known browsers are named."""
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1"
    for number, agent in enumerate(("www.evil.example/1", "<b>evil</b>", "Mozilla/5.0 www.evil.example", safari), 1):
        headers = {"user-agent": agent}
        mail_api.post("/password/forgotten", json={"email": verified_ann["email"]}, headers=headers)
        mail = mailbox.next_to(ANN["email"], number)
        assert "evil" not in mail.message.as_string()
        assert ("Device: Safari on iPhone" in mail.text) == (agent == safari)
        assert "IP address: 127.0.0.1" in mail.text
        assert re.search(r"It works once, until \w+ \d+, \d{4}, \d\d:\d\d UTC\.", mail.text)


def test_codes_cannot_be_guessed(mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """After five wrong ones the right one is worth nothing either."""
    assert verified_ann == ANN
    challenge, code, _ = ask(mail_api, mailbox)
    wrong = f"{(int(code) + 1) % 10**8:08}"
    for _ in range(MOST_TRIES):
        assert mail_api.post("/login/email/code", json={"challenge": challenge, "code": wrong}).status_code == 403
    assert mail_api.post("/login/email/code", json={"challenge": challenge, "code": code}).status_code == 403


@pytest.mark.parametrize("purpose", ["reset", "lock", "sign_in"])
def test_a_token_opens_what_it_is_for_only(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str], purpose: str
) -> None:
    """One kind of link is no other."""
    assert verified_ann == ANN
    challenge, _, sign_in = ask(mail_api, mailbox)
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    reset = mailbox.next_to(ANN["email"], 2).token
    tokens = {"reset": sign_in, "lock": reset, "sign_in": reset}
    calls = {
        "reset": ("/password/reset", {"token": tokens["reset"], "password": PASSWORD}),
        "lock": ("/account/lock", {"token": tokens["lock"]}),
        "sign_in": ("/login/email/code", {"challenge": challenge, "token": tokens["sign_in"]}),
    }
    path, body = calls[purpose]
    assert mail_api.post(path, json=body).json()["code"] == "invalid_code"
    assert mail_api.post("/password/reset", json={"token": reset, "password": PASSWORD}).status_code == 204


def test_an_account_cannot_be_prepared_for_somebody(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox
) -> None:
    """Pre-hijacking: Eve signs up with Ann's address; Ann follows the link and does not know Eve's password."""
    eves = {"email": ANN["email"], "password": "eve chose this password"}
    mail_api.post("/signup", json=eves)
    link = mailbox.next_to(ANN["email"]).link
    with Browser(mailing) as browser:
        assert 'name="password"' in browser.get(link).text
        for password in ("", ANN["password"]):
            assert browser.post("/pages/signup/verify", at=link, password=password).status_code == 403
    assert mail_api.post("/login", json=eves).json()["code"] == "invalid_credentials"


@pytest.mark.parametrize(
    ("path", "more"),
    [("/password/forgotten", {}), ("/login/email", {}), ("/signup", {"password": "a sentence of some words"})],
)
def test_no_answer_tells_who_has_an_account(  # one test for all of them
    mail_api: httpx.Client,
    mailbox: Mailbox,
    verified_ann: dict[str, str],
    clock: SettableClock,
    path: str,
    more: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same status, the same members of the body, the same number of hashes, the same pauses."""
    clock.advance(3_600)  # her own sign-up is past counting
    hashes: list[str] = []
    hash_ = PasswordHasher.hash

    async def counted(self: PasswordHasher, password: str) -> str:
        hashes.append(password)
        return await hash_(self, password)

    monkeypatch.setattr(PasswordHasher, "hash", counted)
    seen: list[list[tuple[int, set[str], str | None]]] = []
    counts: list[int] = []
    for email in (verified_ann["email"], NO_USER):
        hashes.clear()
        answers = [mail_api.post(path, json={"email": email, **more}) for _ in range(7)]
        seen.append([(each.status_code, set(each.json()), each.headers.get("retry-after")) for each in answers])
        counts.append(len(hashes))
    assert seen[0] == seen[1]
    assert [status for status, _, _ in seen[0]] == [202] * 5 + [429] * 2
    assert counts[0] == counts[1]
    mailbox.next_to(ANN["email"] if path != "/signup" else NO_USER, 5)
    assert len(mailbox.to(NO_USER)) == (5 if path == "/signup" else 0)


def test_a_mailbox_cannot_be_flooded(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Five mails of a kind within an hour, then a pause that doubles."""
    for _ in range(20):
        mail_api.post("/password/forgotten", json={"email": verified_ann["email"]})
    mailing.clock.advance(60)
    assert mail_api.post("/password/forgotten", json={"email": ANN["email"]}).status_code == 202
    answer = mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "120")
    mail_api.post("/signup", json={"email": "bob@example.test", "password": PASSWORD})
    mailbox.next_to("bob@example.test")
    assert len(mailbox.to(ANN["email"])) == 6


def test_a_thief_cannot_outrun_the_owners_link(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str], clock: SettableClock
) -> None:
    """The account is moved to one address and on to another, its password set, and locked by a link of the thief's own.

    None of it is worth anything against the older link, which the owner was sent first: it puts her address back.
    """
    thiefs, next_one = "thief@example.test", "thief.too@example.test"
    headers = {"authorization": f"Bearer {mail_api.post('/login', json=verified_ann).json()['token']}"}
    for address in (thiefs, next_one):
        clock.advance(1)
        mail_api.post("/account/email", json={"email": address}, headers=headers)
        token = mailbox.next_to(address).token
        assert mail_api.post("/account/email/confirm", json={"token": token}, headers=headers).status_code == 204
    assert "token=" not in mailbox.next_to(next_one, 2).text
    assert mail_api.post("/account/password", json={"password": PASSWORD}, headers=headers).status_code == 204
    own_lock = mailbox.next_to(thiefs, 3).token
    assert mail_api.post("/account/lock", json={"token": own_lock}).status_code == 204
    mail_api.post("/password/forgotten", json={"email": thiefs})
    reset = mailbox.next_to(thiefs, 5).token
    assert mail_api.post("/password/reset", json={"token": reset, "password": PASSWORD}).status_code == 204
    in_hand = mail_api.post("/login", json={"email": thiefs, "password": PASSWORD}).json()["refresh_token"]
    hers = mailbox.next_to(ANN["email"]).token
    assert mail_api.post("/account/lock", json={"token": hers}).status_code == 204
    assert mail_api.post("/refresh", json={"refresh_token": in_hand}).json()["code"] == "session_ended"
    for lock in [mail.token for mail in (*mailbox.to(thiefs), *mailbox.to(next_one)) if "token=" in mail.text]:
        assert mail_api.post("/account/lock", json={"token": lock}).status_code == 403
    assert mail_api.post("/login", json={"email": thiefs, "password": PASSWORD}).json()["code"] == "invalid_credentials"
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    reset = mailbox.next_to(ANN["email"], 3).token
    new = {"token": reset, "password": "the owner is back again"}
    assert mail_api.post("/password/reset", json=new).status_code == 204
    assert mail_api.post("/login", json={"email": ANN["email"], "password": new["password"]}).status_code == 200
