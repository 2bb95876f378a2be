"""Every page as a person meets it: on a phone and on a screen, by day and by night, with much in it and with nothing.

One walk through all of them. Each stop is looked at in both schemes: axe finds nothing, nothing scrolls sideways, a
page with all that it loads stays light. With `PICTURES=1` (and in `make soak`), pictures of it are left in
test-artefacts/pages for people to look at.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeAlias

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, expect
from tests.browser.test_passkeys import Virtual
from tests.support.server import OUTBOX, SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page, ViewportSize
    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer

Record: TypeAlias = "Callable[[str, object], None]"
PHONE: ViewportSize = {"width": 390, "height": 844}
SCREEN: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 320, "height": 640}
"""The narrowest screen that is asked for (WCAG 2.2, 1.4.10); also what remains of a wider one at 400 %."""
CUT_OFF = """() => [...document.querySelectorAll("body, body *")].filter((each) => {
  const { left, right, width } = each.getBoundingClientRect();
  if (!width || each.closest(".scrolls, .hidden-text, svg")) return false;
  const hides = getComputedStyle(each).overflowX !== "visible" && !each.matches("input, textarea, select");
  return left < 0 || right > innerWidth + 0.5 || (hides && each.scrollWidth > each.clientWidth);
}).map((each) => each.outerHTML.slice(0, 120))"""
"""What lies beyond the edge, or is cut off at that of its own box."""
SCHEMES: dict[str, dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""What axe looks at in each: only the colours differ."""
PICTURES = "PICTURES" in os.environ or "SOAK" in os.environ
HEAVIEST = 60_000
"""Bytes of a page with everything that it loads."""
LONG = "bartholomew.featherstonehaugh-cholmondeley+newsletters@a-department.of-a-university.example.test"
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "python-httpx/0.28.1",
)
PROVIDERS = {name: {"client_id": "gatepass", "client_secret": "secret"} for name in ("google", "github")}
PERSON = {"email": LONG, "password": "a sentence of some words"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server with its usual settings, and somebody with much in their account. Browsers have the real time."""
    with running_server(tmp_path_factory.mktemp("look"), SettableClock(time.time()), providers=PROVIDERS) as running:
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
        self.complaints: list[str] = []
        self.figures: dict[str, tuple[int, int]] = {}
        """By page: bytes, and milliseconds to its first paint."""
        page.on("console", self._note)

    def look(self, name: str) -> None:
        """Find nothing wrong in it, and take its pictures if they are wanted."""
        for scheme, rules in SCHEMES.items():
            self.page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
            for size, viewport in (("screen", SCREEN), ("phone", PHONE)):
                self.page.set_viewport_size(viewport)
                assert self.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
                if PICTURES:
                    self.page.screenshot(path=self._folder / f"{name}-{size}-{scheme}.png", full_page=True)
            self.page.set_viewport_size(NARROW)
            assert self.page.evaluate(CUT_OFF) == [], f"{name}, {NARROW['width']} pixels wide"
            found = Axe().run(self.page, options=rules)
            assert found.violations_count == 0, f"{name}, {scheme}: {found.generate_report()}"
        weight = self.weight()
        self.figures[name] = (weight, self.first_paint())
        assert weight <= HEAVIEST, f"{name} weighs {weight:,} bytes"

    def weight(self) -> int:
        """The bytes of the page and of all that it loads, unpacked and whether or not the browser had them already."""
        sizes = "performance.getEntriesByType('resource').reduce((sum, each) => sum + each.decodedBodySize, 0)"
        loaded: int = self.page.evaluate(sizes)
        return len(self.page.content().encode()) + loaded

    def first_paint(self) -> int:
        """Milliseconds from the navigation to the first content on the screen."""
        paint: float = self.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
        return round(paint)

    def summary(self) -> str:
        """The heaviest page and the slowest."""
        heaviest = max(self.figures, key=lambda name: self.figures[name][0])
        paints = sorted((paint, name) for name, (_, paint) in self.figures.items())
        return (
            f"{len(paints)} pages; heaviest {heaviest}, {self.figures[heaviest][0]:,} bytes; first paint in the median"
            f" {paints[len(paints) // 2][0]} ms, slowest {paints[-1][1]}, {paints[-1][0]} ms"
        )

    def _note(self, message: ConsoleMessage) -> None:
        # That an answer was no success is not news: pages with an error say so by their status.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{self.page.url}: {message.text}")


@pytest.fixture
def eye(server: RunningServer, open_page: OpenPage, artefacts: Path) -> Eye:
    """Opens with scripts, and an authenticator that is asked later."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    return Eye(open_page(base_url=server.url, locale="en-GB"), folder)


def submit(page: Page, button: str, **fields: str) -> None:
    """Fill in fields by their names, press a button, and wait for the page that comes."""
    for name, value in fields.items():
        page.locator(f"input[name={name}]:visible").fill(value)
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


def test_before_signing_in(eye: Eye, record_property: Record) -> None:
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
        "outbox-empty": OUTBOX.removeprefix("/pages/"),
    }.items():
        page.goto(f"/pages/{path}")
        eye.look(name)
    page.goto("/pages/login")
    page.set_viewport_size(PHONE)
    heights = page.locator(".ways button, .ways .button").evaluate_all("(all) => all.map((each) => each.offsetHeight)")
    assert max(heights) < 60  # one line each
    page.goto("/")
    eye.look("landing")
    page.goto("/pages/nothing")
    eye.look("not-found")
    page.goto("/pages/login")
    submit(page, "Sign in", email=LONG, password="not the password")
    eye.look("login-error")
    page.goto("/pages/signup")
    submit(page, "Create account", email="new@example.test", password="short")
    eye.look("signup-error")
    page.goto("/pages/forgotten")
    submit(page, "Send email", email=LONG)
    eye.look("forgotten-sent")
    page.goto("/pages/login/email")
    submit(page, "Send email", email=LONG)
    eye.look("email-code")
    page.goto(OUTBOX)
    eye.look("outbox")
    assert eye.complaints == []
    record_property("figures", eye.summary())


def test_the_account(eye: Eye, server: RunningServer, record_property: Record) -> None:
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
        "identities": "account/identities",
        "apps": "account/apps",
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
    submit(page, "Continue", code=pyotp.TOTP(secret).at(int(server.clock())))
    page.goto("/pages/account/factors")
    eye.look("factors-device")
    page.goto("/pages/account")
    submit(page, "End all other sessions")
    expect(page.get_by_role("button", name="End session")).to_have_count(0)
    eye.look("account-after")
    assert eye.complaints == []
    record_property("figures", eye.summary())


@pytest.mark.parametrize("language", ["de", "fr"])
def test_in_another_language(server: RunningServer, open_page: OpenPage, artefacts: Path, language: str) -> None:
    """Longer words break no page. The browser asks for the language, and the page says that it has it."""
    page = open_page(base_url=server.url, locale=language)
    eye = Eye(page, artefacts / "pages")
    page.goto("/pages/login")
    expect(page.locator("html")).to_have_attribute("lang", language)
    eye.look(f"login-{language}")
    page.goto("/debugger")
    eye.look(f"debugger-{language}")
    person = PERSON | {"email": f"{language}@example.test"}
    with server.client() as api:
        assert api.post("/signup", json=person).status_code == 201
    page.goto("/pages/login")
    page.locator("input[name=email]").first.fill(person["email"])
    page.locator("input[name=password]").fill(person["password"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    eye.look(f"account-{language}")
    page.goto("/pages/account/factors")
    eye.look(f"factors-{language}")
    assert eye.complaints == []


def test_no_page_can_be_framed(server: RunningServer, open_page: OpenPage) -> None:
    """Clickjacking: another site's page that frames one of ours shows nothing of it."""
    page = open_page()
    html = (
        f"<!doctype html><iframe src='{server.url}/pages/login'></iframe><iframe src='{server.url}/debugger'></iframe>"
    )
    page.route("http://127.0.0.1/*", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("http://127.0.0.1/", wait_until="networkidle")
    framed = page.frames[1:]
    assert len(framed) == 2
    assert [frame.url for frame in framed] == ["chrome-error://chromewebdata/"] * 2


@pytest.mark.parametrize("path", ["/pages/login", "/debugger", "/pages/nothing"])
def test_no_other_script_runs(server: RunningServer, open_page: OpenPage, path: str) -> None:
    """What would get into a page would not run there: no inline script, no handler, none of another origin or path."""
    page = open_page(base_url=server.url)
    page.goto(path)
    for script in ({"content": "window.ran = true"}, {"url": "http://127.0.0.1/x.js"}, {"url": "/static/logo"}):
        with pytest.raises(Error):
            page.add_script_tag(**script)
    planted = "<img src=x onerror='window.ran = true'><a href='javascript:window.ran = true'>x</a>"
    page.evaluate("html => { document.body.innerHTML = html }", planted)
    page.get_by_role("link").click()
    assert page.evaluate("window.ran") is None


def test_with_the_keyboard_alone(server: RunningServer, open_page: OpenPage) -> None:
    """Tab goes through the page from top to bottom, everything that has the focus shows it, and Enter signs in."""
    person = PERSON | {"email": "keys@example.test"}
    with server.client() as api:
        assert api.post("/signup", json=person).status_code == 201
    page = open_page(base_url=server.url)
    page.goto("/pages/login")
    heights: list[float] = []
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        heights.append(page.evaluate("document.activeElement.getBoundingClientRect().top"))
    assert heights == sorted(heights)
    page.get_by_label("Email address").focus()
    page.keyboard.type(person["email"])
    page.keyboard.press("Tab")
    page.keyboard.type(person["password"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
