"""Every page as a person meets it: on a phone and on a screen, by day and by night, with much in it and with nothing.

One walk through all of them. Each stop is looked at in both schemes: axe finds nothing, nothing scrolls sideways, a
page with all that it loads stays light; and its pictures are left in test-artefacts/pages for people to look at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.browser.test_passkeys import Virtual
from tests.support.server import SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page, Response
    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer

PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
HEAVIEST = 60_000
"""Bytes of a page with everything that it loads."""
LONG = "bartholomew.featherstonehaugh-cholmondeley+newsletters@a-department.of-a-university.example.test"
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "python-httpx/0.28.1",
)
PERSON = {"email": LONG, "password": "a sentence of some words"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server with its usual settings, and somebody with much in their account. Browsers have the real time."""
    with running_server(tmp_path_factory.mktemp("look"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=PERSON).status_code == 201
            for agent in AGENTS:
                assert api.post("/login", json=PERSON, headers={"user-agent": agent}).status_code == 200
        yield running


class Eye:
    """Looks at the page that is open."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self._folder = folder
        self._weights: dict[str, int] = {}
        self.complaints: list[str] = []
        page.on("response", self._weigh)
        page.on("console", self._note)

    def look(self, name: str) -> None:
        """Take its pictures, and find nothing wrong in it."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
            for size, viewport in (("screen", SCREEN), ("phone", PHONE)):
                self.page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
                assert self.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
                self.page.screenshot(path=self._folder / f"{name}-{size}-{scheme}.png", full_page=True)
            found = Axe().run(self.page)
            assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
        weight = self.weight()
        assert weight <= HEAVIEST, f"{name} weighs {weight:,} bytes"

    def weight(self) -> int:
        """The bytes of the page and of what it loads, as they are once unpacked; the browser keeps some of them."""
        html = len(self.page.content().encode())
        loaded: list[str] = self.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
        return html + sum(self._weights.get(url, 0) for url in set(loaded))

    def _note(self, message: ConsoleMessage) -> None:
        # That an answer was no success is not news: pages with an error say so by their status.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{self.page.url}: {message.text}")

    def _weigh(self, response: Response) -> None:
        if response.ok and "/static/" in response.url:
            self._weights[response.url] = int(response.headers.get("content-length", 0))


@pytest.fixture
def eye(server: RunningServer, open_page: OpenPage, artefacts: Path) -> Eye:
    """Opens with scripts, and an authenticator that is asked later."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    return Eye(open_page(base_url=server.url, locale="en-GB"), folder)


def submit(page: Page, button: str, **fields: str) -> None:
    """Fill in fields by their names, and press a button."""
    for name, value in fields.items():
        page.locator(f"input[name={name}]:visible").fill(value)
    page.get_by_role("button", name=button, exact=True).click()


def test_before_signing_in(eye: Eye) -> None:
    """Ways in and ways back, and what they say when something is wrong."""
    page = eye.page
    for name, path in {
        "login": "login",
        "signup": "signup",
        "signup-passkey": "signup/passkey",
        "forgotten": "forgotten",
        "email-login": "login/email",
        "reset": "reset?token=x",
        "lock": "lock?token=x",
        "outbox-empty": "outbox",
    }.items():
        page.goto(f"/pages/{path}")
        eye.look(name)
    page.goto("/pages/nothing")
    eye.look("not-found")
    page.goto("/pages/login")
    submit(page, "Sign in", email=LONG, password="not the password")
    eye.look("login-error")
    page.goto("/pages/signup")
    submit(page, "Make an account", email="new@example.test", password="short")
    eye.look("signup-error")
    page.goto("/pages/forgotten")
    submit(page, "Send the mail", email=LONG)
    eye.look("forgotten-sent")
    page.goto("/pages/login/email")
    submit(page, "Send the mail", email=LONG)
    eye.look("email-code")
    page.goto("/pages/outbox")
    eye.look("outbox")
    assert eye.complaints == []


def test_the_account(eye: Eye, server: RunningServer) -> None:
    """Everything that somebody can see and do who is signed in."""
    page = eye.page
    authenticator = Virtual(page)
    authenticator.touch(automatic=False)
    page.goto("/pages/login")
    submit(page, "Sign in", **PERSON)
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    eye.look("account")
    for name, path in {
        "email": "account/email",
        "password": "account/password",
        "delete": "account/delete",
        "factors-empty": "account/factors",
        "totp": "account/totp",
    }.items():
        page.goto(f"/pages/{path}")
        eye.look(name)
    secret = page.locator("code").inner_text()
    submit(page, "Set up", code="000000")
    eye.look("totp-error")
    secret = page.locator("code").inner_text()
    submit(page, "Set up", code=pyotp.TOTP(secret).at(int(server.clock())))
    eye.look("recovery-codes")
    page.goto("/pages/account/factors")
    authenticator.touch(automatic=True)
    submit(page, "Add a passkey", name="The laptop in the study, with the long name")
    page.goto("/pages/account/factors")
    eye.look("factors")
    authenticator.touch(automatic=False)
    server.clock.advance(3_600)
    page.goto("/pages/account/delete")
    eye.look("reauthenticate")
    page.goto("/pages/account")
    submit(page, "Sign out")
    submit(page, "Sign in", **PERSON)
    eye.look("factor")
    server.clock.advance(60)
    page.get_by_role("checkbox").check()
    submit(page, "Go on", code=pyotp.TOTP(secret).at(int(server.clock())))
    page.goto("/pages/account/factors")
    eye.look("factors-device")
    page.goto("/pages/account")
    submit(page, "End all other sessions")
    expect(page.get_by_role("button", name="Sign out there")).to_have_count(0)
    eye.look("account-after")
    assert eye.complaints == []
