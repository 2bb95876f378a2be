"""Passkeys in a real browser with Chromium's virtual authenticator: from the first click to a token in hand."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.browser.test_without_scripts import says, sign_in, token_of
from tests.support.server import SettableClock, running_server

from gatepass.jose import base64url, jwt

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import CDPSession, Page
    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer

PLATFORM = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server on localhost, which browsers trust without TLS. They have the real time, so it has too."""
    with running_server(tmp_path_factory.mktemp("passkeys"), SettableClock(time.time())) as running:
        yield running


@pytest.fixture
def person(server: RunningServer) -> dict[str, str]:
    """Somebody with a password."""
    made = {"email": f"p{time.time_ns()}@example.test", "password": "a sentence of some words"}
    with server.client() as api:
        assert api.post("/signup", json=made).status_code == 201
    return made


@pytest.fixture
def page(server: RunningServer, open_page: OpenPage) -> Page:
    """A page."""
    return open_page(base_url=server.url)


class Virtual:
    """The authenticator of a page."""

    def __init__(self, page: Page, **changes: Any) -> None:  # noqa: ANN401 - options of the protocol
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable", {"enableUI": False})
        options = {"options": PLATFORM | changes}
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", options)["authenticatorId"]

    def credentials(self) -> list[dict[str, Any]]:
        """What it holds."""
        found: list[dict[str, Any]] = self._session.send("WebAuthn.getCredentials", self._of())["credentials"]
        return found

    def copy(self, credential: dict[str, Any]) -> None:
        """Put a credential into it that another one has."""
        self._session.send("WebAuthn.addCredential", self._of(credential=credential))

    def verify_user(self, *, verified: bool) -> None:
        """Let the person be verified from now on, or not."""
        self._session.send("WebAuthn.setUserVerified", self._of(isUserVerified=verified))

    def touch(self, *, automatic: bool) -> None:
        """Answer by itself, or never."""
        self._session.send("WebAuthn.setAutomaticPresenceSimulation", self._of(enabled=automatic))

    def _of(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - options of the protocol
        return {"authenticatorId": self._id, **more}


def claims_of(page: Page) -> dict[str, Any]:
    """What the token says that an application of this site gets."""
    return dict(jwt.peek(token_of(page)).claims)


def add_passkey(page: Page, name: str) -> None:
    """From the account page on."""
    page.get_by_role("link", name="Manage passkeys and two-factor authentication").click()
    page.get_by_label("Name", exact=True).last.fill(name)
    page.get_by_role("button", name="Add a passkey").click()


def test_adding_a_passkey_and_signing_in_with_it(page: Page, person: dict[str, str]) -> None:
    """Added on the account page with recovery codes shown; then one click signs in, by two factors."""
    virtual = Virtual(page)
    page.goto("/pages/login")
    virtual.touch(automatic=False)
    sign_in(page, person)
    virtual.touch(automatic=True)
    assert claims_of(page)["acr"] == "1"
    add_passkey(page, "My laptop")
    says(page, "Your recovery codes")
    expect(page.locator(".codes li")).to_have_count(10)
    assert len(virtual.credentials()) == 1
    page.goto("/pages/account")
    virtual.touch(automatic=False)
    page.get_by_role("button", name="Sign out", exact=True).click()
    says(page, "Sign in")
    virtual.touch(automatic=True)
    page.get_by_role("button", name="Use a passkey instead").click()
    says(page, "Your account")
    assert (claims_of(page)["acr"], claims_of(page)["amr"]) == ("2", ["hwk", "user", "mfa"])


SIGNALS = """
window.signals = [];
for (const name of ["signalUnknownCredential", "signalAllAcceptedCredentials", "signalCurrentUserDetails"])
  PublicKeyCredential[name] = async (about) => { signals.push([name, about]); };
"""


def test_the_authenticator_is_told_which_passkeys_there_are(page: Page, person: dict[str, str]) -> None:
    """The account offers one, saying what it changes; the page of the factors names those there are, and the person."""
    virtual = Virtual(page)
    page.add_init_script(SIGNALS)
    virtual.touch(automatic=False)
    page.goto("/pages/login")
    sign_in(page, person)
    expect(page.get_by_text("your password alone no longer opens your account")).to_be_visible()
    page.get_by_role("link", name="Add a passkey").click()
    says(page, "Passkeys and two-factor authentication")
    told = dict(page.evaluate("signals"))
    user_id = told["signalAllAcceptedCredentials"]["userId"]
    assert told["signalAllAcceptedCredentials"]["allAcceptedCredentialIds"] == []
    virtual.touch(automatic=True)
    page.get_by_role("button", name="Add a passkey").click()
    says(page, "Your recovery codes")
    page.get_by_role("link", name="I have saved them").click()
    page.get_by_role("button", name="Use a passkey").click()  # a password alone is no longer enough for this page
    says(page, "Passkeys and two-factor authentication")
    (held,) = virtual.credentials()
    assert user_id == base64url.encode(base64.b64decode(held["userHandle"]))
    about = {"rpId": "localhost", "userId": user_id}
    accepted = about | {"allAcceptedCredentialIds": [base64url.encode(base64.b64decode(held["credentialId"]))]}
    named = about | {"name": person["email"], "displayName": person["email"]}
    assert page.evaluate("signals") == [
        ["signalAllAcceptedCredentials", accepted],
        ["signalCurrentUserDetails", named],
    ]
    page.goto("/pages/account")
    expect(page.get_by_text("your password alone")).to_have_count(0)


def test_the_browser_offers_it_in_the_field(page: Page, person: dict[str, str]) -> None:
    """Conditional mediation: the person touches the authenticator and presses no button of the page."""
    virtual = Virtual(page)
    page.goto("/pages/login")
    virtual.touch(automatic=False)
    sign_in(page, person)
    virtual.touch(automatic=True)
    add_passkey(page, "My laptop")
    says(page, "Your recovery codes")
    page.context.clear_cookies()
    page.goto("/pages/login")
    says(page, "Your account")
    assert claims_of(page)["acr"] == "2"


def test_as_the_second_factor(page: Page, open_page: OpenPage, server: RunningServer, person: dict[str, str]) -> None:
    """After the password the page asks for the passkey; not verified, nobody gets in."""
    virtual = Virtual(page)
    page.goto("/pages/login")
    virtual.touch(automatic=False)
    sign_in(page, person)
    virtual.touch(automatic=True)
    add_passkey(page, "My laptop")
    says(page, "Your recovery codes")
    other = open_page(base_url=server.url)
    held = Virtual(other)
    held.touch(automatic=False)
    other.goto("/pages/account")
    sign_in(other, person)
    says(other, "One more step")
    held.copy(virtual.credentials()[0] | {"signCount": 100})
    held.touch(automatic=True)
    held.verify_user(verified=False)
    other.get_by_role("button", name="Use a passkey").click()
    says(other, "One more step")
    held.verify_user(verified=True)
    other.get_by_role("button", name="Use a passkey").click()
    says(other, "Your account")
    assert claims_of(other)["amr"] == ["pwd", "hwk", "user", "mfa"]


def test_signing_up_without_a_password(page: Page) -> None:
    """An address, a touch, recovery codes; and then signed in by that same touch."""
    virtual = Virtual(page)
    page.goto("/pages/login")
    page.get_by_role("link", name="Create account").click()
    page.get_by_role("link", name="Use a passkey instead of a password").click()
    page.get_by_label("Email address").fill(f"p{time.time_ns()}@example.test")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Create passkey").click()
    says(page, "Your recovery codes")
    assert virtual.credentials()[0]["isResidentCredential"]
    page.get_by_role("link", name="I have saved them").click()
    says(page, "Your account")
    assert claims_of(page)["acr"] == "2"


def test_a_browser_without_passkeys_shows_none(page: Page) -> None:
    """Where the browser's call is missing, the buttons stay away, and the rest of the page works."""
    page.add_init_script("delete window.PublicKeyCredential")
    page.goto("/pages/login")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey instead")).to_be_hidden()
