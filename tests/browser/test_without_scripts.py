"""The server's own pages with JavaScript off: from the first click to a token in hand."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pyotp
import pytest
from playwright.sync_api import expect
from tests.support.mailbox import mail_server
from tests.support.server import ANN, SettableClock, running_server
from tests.support.tls import self_signed

from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer


@pytest.fixture(scope="module", params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server on plain loopback HTTP, and one under TLS. Browsers have the real time, so it has too."""
    folder = tmp_path_factory.mktemp("pages")
    settings: dict[str, Any] = {}
    if request.param == "https":
        settings["tls_cert"], settings["tls_key"] = self_signed(folder)
    with running_server(folder / "data", SettableClock(time.time()), **settings) as running:
        with running.client(verify=False) as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def tab_options(server: RunningServer) -> dict[str, Any]:
    """No scripts."""
    return {"java_script_enabled": False, "ignore_https_errors": True, "base_url": server.url}


@pytest.fixture
def page(tab: Page) -> Page:
    """A page without scripts."""
    return tab


def sign_in(page: Page, person: dict[str, str]) -> None:
    """Fill in the form, wherever it was met."""
    page.get_by_label("Email address").fill(person["email"])
    page.get_by_label("Password").fill(person["password"])
    page.get_by_role("button", name="Sign in").click()


def token_of(page: Page) -> str:
    """The access token that an application of this site gets with the browser's cookie."""
    url = page.url.partition("/pages/")[0]
    answer = page.request.post(f"{url}/refresh", headers={"origin": url, "gatepass-request": "1"})
    assert answer.ok, answer.text()
    token: str = answer.json()["token"]
    return token


def test_signing_up_in_and_out(page: Page) -> None:
    """Account made, signed in, seen on the account page, a token in hand, signed out; each by a click."""
    person = new_person()
    page.goto("/pages/login")
    page.get_by_role("link", name="Create account").click()
    page.get_by_label("Email address").fill(person["email"])
    page.get_by_label("New password").fill(person["password"])
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    expect(page.get_by_text(person["email"])).to_be_visible()
    assert token_of(page).count(".") == 2
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading")).to_have_text("Sign in")
    page.goto("/pages/account")
    expect(page.get_by_role("heading")).to_have_text("Sign in")


def test_a_wrong_password_keeps_the_form(page: Page) -> None:
    """The page says so, keeps the address, and the right password then goes on to where the person was going."""
    page.goto("/pages/account?from=elsewhere")
    sign_in(page, ANN | {"password": "not the password at all"})
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expect(page.get_by_label("Email address")).to_have_value(ANN["email"])
    sign_in(page, ANN)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    assert page.url.endswith("/pages/account?from=elsewhere")


def test_a_link_on_another_site_finds_the_session(server: RunningServer, page: Page) -> None:
    """SameSite=Strict keeps the cookie back at first; the page comes again by itself, and is signed in."""
    page.goto("/pages/login")
    sign_in(page, ANN)
    elsewhere = page.context.new_page()
    html = f"<!doctype html><a href='{server.url}/pages/account'>my account</a>"
    elsewhere.route("http://127.0.0.1/*", lambda route: route.fulfill(body=html, content_type="text/html"))
    elsewhere.goto("http://127.0.0.1/")
    elsewhere.get_by_role("link").click()
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Your account")


def test_another_device_is_signed_out_from_here(server: RunningServer, page: Page, open_page: OpenPage) -> None:
    """The account page lists where somebody is signed in, and ends one of those."""
    other = open_page(java_script_enabled=False, ignore_https_errors=True, base_url=server.url)
    person = new_person()
    with server.client(verify=False) as api:
        api.post("/signup", json=person)
    for each in (other, page):
        each.goto("/pages/login")
        sign_in(each, person)
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="End session")).to_have_count(0)
    other.reload()
    expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")


# ── with a mail server ──


@pytest.fixture(scope="module")
def mailbox() -> Generator[Mailbox]:
    """A mail server."""
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Generator[RunningServer]:
    """A server that sends its mails there."""
    folder, clock = tmp_path_factory.mktemp("mailing"), SettableClock(time.time())
    with running_server(folder, clock, smtp_url=mailbox.url) as running:
        yield running


@pytest.fixture
def by_mail(mailing: RunningServer, open_page: OpenPage) -> Page:
    """A page without scripts of that server."""
    return open_page(java_script_enabled=False, base_url=mailing.url)


@pytest.fixture
def person(mailing: RunningServer, mailbox: Mailbox) -> dict[str, str]:
    """Somebody who has signed up there."""
    person = new_person()
    with mailing.client() as api:
        api.post("/signup", json=person)
        token = mailbox.next_to(person["email"]).token
        api.post("/signup/verify", json={"token": token, "password": person["password"]})
    return person


def new_person() -> dict[str, str]:
    """Somebody whom nobody knows yet."""
    return {"email": f"p{time.time_ns()}@example.test", "password": "a sentence of some words"}


def says(page: Page, heading: str) -> None:
    """The page has this heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_an_account_by_mail(by_mail: Page, mailbox: Mailbox) -> None:
    """Sign up, have the mail sent again, open the link of the second, and a token is in hand."""
    person = new_person()
    by_mail.goto("/pages/signup")
    by_mail.get_by_label("Email address").fill(person["email"])
    by_mail.get_by_label("New password").fill(person["password"])
    by_mail.get_by_role("button").click()
    says(by_mail, "Check your email")
    by_mail.get_by_role("button", name="Send another email").click()
    expect(by_mail.get_by_role("status")).to_contain_text("Sent again.")
    by_mail.goto(mailbox.next_to(person["email"]).link)
    says(by_mail, "This link no longer works")
    by_mail.goto(mailbox.next_to(person["email"], 2).link)
    by_mail.get_by_role("button").click()
    says(by_mail, "Your account")
    assert token_of(by_mail)


@pytest.mark.parametrize("kind", ["link", "code"])
def test_signing_in_by_mail(by_mail: Page, mailbox: Mailbox, person: dict[str, str], kind: str) -> None:
    """Without a password: the link's button, or the code typed into the page that waits for it."""
    by_mail.goto("/pages/account")
    by_mail.get_by_role("link", name="Sign in by email").click()
    by_mail.get_by_label("Email address").fill(person["email"])
    by_mail.get_by_role("button").click()
    says(by_mail, "Check your email")
    mail = mailbox.next_to(person["email"], 2)
    if kind == "link":
        by_mail.goto(mail.link)
    else:
        by_mail.get_by_label("Code").fill(mail.code)
    by_mail.get_by_role("button", name="Sign in").click()
    says(by_mail, "Your account")
    assert token_of(by_mail)


def test_a_link_from_a_webmail_page(
    by_mail: Page, mailing: RunningServer, mailbox: Mailbox, person: dict[str, str]
) -> None:
    """Followed from another site, in another tab, the link still finds the browser that asked."""
    by_mail.goto("/pages/login/email")
    by_mail.get_by_label("Email address").fill(person["email"])
    by_mail.get_by_role("button").click()
    says(by_mail, "Check your email")
    link = f"{mailing.url}{mailbox.next_to(person['email'], 2).link}"
    webmail = by_mail.context.new_page()
    html = f"<!doctype html><a href='{link}'>Sign in</a>"
    webmail.route("http://127.0.0.1/*", lambda route: route.fulfill(body=html, content_type="text/html"))
    webmail.goto("http://127.0.0.1/")
    webmail.get_by_role("link").click()
    webmail.get_by_role("button", name="Sign in").click()
    says(webmail, "Your account")


def test_a_forgotten_password(by_mail: Page, mailbox: Mailbox, person: dict[str, str]) -> None:
    """From the sign-in page to a new password and a token; then "this wasn't me" locks the account."""
    by_mail.goto("/pages/login")
    by_mail.get_by_role("link", name="Forgot password?").click()
    by_mail.get_by_label("Email address").fill(person["email"])
    by_mail.get_by_role("button").click()
    says(by_mail, "Check your email")
    by_mail.goto(mailbox.next_to(person["email"], 2).link)
    by_mail.get_by_label("New password").fill("another sentence of words")
    by_mail.get_by_role("button").click()
    says(by_mail, "Your password is set")
    assert token_of(by_mail)
    by_mail.get_by_role("link", name="Continue").click()
    says(by_mail, "Your account")
    by_mail.goto(mailbox.next_to(person["email"], 3).link)
    by_mail.get_by_role("button", name="Lock my account").click()
    says(by_mail, "Your account is locked")
    by_mail.goto("/pages/account")
    sign_in(by_mail, person | {"password": "another sentence of words"})
    expect(by_mail.get_by_role("alert")).to_contain_text("locked")


def test_changing_and_deleting_an_account(by_mail: Page, mailbox: Mailbox, person: dict[str, str]) -> None:
    """Another address, another password, a copy of everything, and the end of it."""
    new = new_person()
    by_mail.goto("/pages/account")
    sign_in(by_mail, person)
    by_mail.get_by_role("link", name="email address").click()
    by_mail.get_by_label("Email address").fill(new["email"])
    by_mail.get_by_role("button").click()
    by_mail.goto(mailbox.next_to(new["email"]).link)
    by_mail.get_by_role("button", name="Confirm").click()
    expect(by_mail.get_by_text(new["email"])).to_be_visible()
    by_mail.get_by_role("link", name="Change password").click()
    by_mail.get_by_label("New password").fill("another sentence of words")
    by_mail.get_by_role("button").click()
    by_mail.get_by_role("link", name="Your account").click()
    with by_mail.expect_download() as download:
        by_mail.get_by_role("link", name="Download").click()
    exported = json.loads(download.value.path().read_text())
    assert exported["account"]["email"] == new["email"]
    by_mail.get_by_role("link", name="Delete").click()
    by_mail.get_by_label("to confirm").fill("another@example.test")
    by_mail.get_by_role("button", name="Delete my account").click()
    expect(by_mail.get_by_role("alert")).to_contain_text("Type the email address")
    by_mail.get_by_label("to confirm").fill(new["email"])
    by_mail.get_by_role("button", name="Delete my account").click()
    says(by_mail, "Your account is deleted")
    by_mail.goto("/pages/account")
    sign_in(by_mail, new | {"password": "another sentence of words"})
    expect(by_mail.get_by_role("alert")).to_contain_text("wrong")


def test_an_old_sign_in_is_renewed_on_the_way(by_mail: Page, mailing: RunningServer, person: dict[str, str]) -> None:
    """What needs a fresh sign-in asks for the password once more, and goes on where the person was going."""
    by_mail.goto("/pages/account")
    sign_in(by_mail, person)
    mailing.clock.advance(601)
    by_mail.get_by_role("link", name="Change password").click()
    says(by_mail, "Verify your identity")
    by_mail.get_by_label("Password").fill(person["password"])
    by_mail.get_by_role("button", name="Continue").click()
    says(by_mail, "Change your password")
    by_mail.goto("/pages/account")
    expect(by_mail.get_by_role("button", name="End session")).to_have_count(0)


def prove_by_recovery_code(page: Page, code: str) -> None:
    """The field for digits, which phones offer and fill in, has another behind it for recovery codes."""
    digits = page.get_by_label("Code", exact=True)
    assert (digits.get_attribute("inputmode"), digits.get_attribute("autocomplete")) == ("numeric", "one-time-code")
    page.get_by_text("Use a recovery code instead").click()
    for typed in ("wrong-code", code):
        field = page.get_by_label("Recovery code")
        field.fill(typed)
        page.get_by_role("button", name="Continue").nth(1).click()
        if typed != code:
            expect(field).to_be_focused()  # its form is open, and says what was wrong


def test_a_second_factor(page: Page, server: RunningServer) -> None:
    """Set up with the key that is typed, asked for at the next sign-in, stood in for by a recovery code, removed."""
    person = {"email": f"p{time.time_ns()}@example.test", "password": "a sentence of some words"}
    with server.client(verify=False) as api:
        api.post("/signup", json=person)
    page.goto("/pages/account/factors")
    sign_in(page, person)
    page.get_by_role("link", name="Set up an authenticator app").click()
    expect(page.locator(".qr svg")).to_be_visible()
    totp = pyotp.TOTP(page.locator("code").inner_text())
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Set up").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    assert page.locator("code").inner_text() == totp.secret
    page.get_by_label("Code", exact=True).fill(totp.at(int(server.clock())))
    page.get_by_role("button", name="Set up").click()
    says(page, "Your recovery codes")
    recovery_code = page.locator(".codes code").first.inner_text()
    page.get_by_role("link", name="I have saved them").click()
    expect(page.get_by_text("10 left")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/pages/account/factors")
    sign_in(page, person)
    says(page, "One more step")
    page.get_by_label("Code", exact=True).fill("000000")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    page.get_by_label("Code", exact=True).fill(totp.at(int(server.clock()) + 30))
    page.get_by_label("Don't ask again").first.check()
    page.get_by_role("button", name="Continue").click()
    says(page, "Passkeys and two-factor authentication")
    assert jwt.peek(token_of(page)).claims["amr"] == ["pwd", "otp", "mfa"]
    page.goto("/pages/account")
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(page, person)
    says(page, "Your account")  # the browser is remembered
    assert jwt.peek(token_of(page)).claims["acr"] == "1"
    page.get_by_role("link", name="Manage passkeys and two-factor authentication").click()
    says(page, "Verify your identity")  # which is not enough for this
    prove_by_recovery_code(page, recovery_code)
    says(page, "Passkeys and two-factor authentication")
    expect(page.get_by_text("9 left")).to_be_visible()
    page.get_by_role("button", name="Stop trusting").click()
    expect(page.get_by_text("No trusted devices")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("link", name="Set up an authenticator app")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/pages/login")
    sign_in(page, person)
    says(page, "Your account")
