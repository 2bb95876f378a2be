"""`examples/spa` in a real Chromium: the page signs in, stays signed in, and shares its sign-in with other tabs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect
from tests.support.factors import set_up_totp
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, first_url, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playwright.sync_api import Page, Request
    from tests.support.server import RunningServer

MAIN = Path(__file__).parents[2] / "examples" / "spa" / "main.py"

SAM = {"email": "sam@example.test", "password": "a battery for a second factor"}

TEN_CALLS = """
async () => {
  const { call } = await import("/session.js");
  window.calls = Promise.all(Array.from({ length: 10 }, () => call("/api/dashboard")));
}
"""


class Spa(NamedTuple):
    """The example, and the server that it signs in at."""

    url: str
    server: RunningServer


@pytest.fixture(scope="module")
def spa(tmp_path_factory: pytest.TempPathFactory) -> Generator[Spa]:
    """Run both, as the README says."""
    port = free_port()
    url = f"http://localhost:{port}"
    with running_server(tmp_path_factory.mktemp("spa"), SettableClock(time.time()), browser_origins=(url,)) as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        environment = os.environ | {"GATEPASS_ISSUER": server.url, "PORT": str(port)}
        with subprocess.Popen(
            [sys.executable, str(MAIN)], env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            first_url(process)
            yield Spa(url, server)
            process.terminate()
            process.communicate()


def sign_in(page: Page, spa: Spa) -> None:
    """Fill in the form."""
    page.goto(spa.url)
    page.get_by_label("E-mail").fill(ANN["email"])
    page.get_by_label("Password").fill(ANN["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#message")).to_contain_text("Welcome")


def test_the_page(spa: Spa, open_page: Callable[..., Page]) -> None:
    """A wrong password is told; a reload and another tab stay signed in; signing out in one signs out in both."""
    page = open_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(spa.url)
    page.get_by_label("E-mail").fill(ANN["email"])
    page.get_by_label("Password").fill("wrong horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    sign_in(page, spa)
    assert page.evaluate("document.cookie") == ""
    page.reload()
    expect(page.locator("#message")).to_contain_text("Welcome")
    other = page.context.new_page()
    other.goto(spa.url)
    expect(other.locator("#message")).to_contain_text("Welcome")
    other.get_by_role("button", name="Sign out").click()
    for each in (page, other):
        expect(each.get_by_role("button", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert problems == []


def test_a_second_factor(spa: Spa, open_page: Callable[..., Page]) -> None:
    """The page asks for it: a wrong code is told, the right one signs in, a recovery code does too."""
    with spa.server.client() as api:
        assert api.post("/signup", json=SAM).status_code == 201
        application, codes = set_up_totp(spa.server, api, SAM)
    page = open_page()
    page.goto(spa.url)
    for tries in (("000000", application.next_code()), (codes[0],)):
        page.get_by_label("E-mail").fill(SAM["email"])
        page.get_by_label("Password").fill(SAM["password"])
        page.get_by_role("button", name="Sign in").click()
        for code in tries:
            page.get_by_label("Code").fill(code)
            page.get_by_role("button", name="Continue").click()
            if code == "000000":
                expect(page.get_by_role("alert")).not_to_be_empty()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Sign out").click()


def test_many_calls_in_two_tabs(spa: Spa, open_page: Callable[..., Page]) -> None:
    """Ten calls in each of two tabs without a token: each tab refreshes once at most, and never both at a time."""
    page = open_page()
    sign_in(page, spa)
    other = page.context.new_page()
    other.goto(spa.url)
    expect(other.locator("#message")).to_contain_text("Welcome")
    refreshes: list[str] = []

    def note(word: str) -> Callable[[Request], None]:
        return lambda request: refreshes.append(word) if request.url == f"{spa.server.url}/refresh" else None

    for each in (page, other):
        each.on("request", note("begins"))
        each.on("requestfinished", note("ends"))
        each.evaluate("async () => (await import('/session.js')).forget()")
    for each in (page, other):
        each.evaluate(TEN_CALLS)
    for each in (page, other):
        assert each.evaluate("async () => (await window.calls).map((answer) => answer.status)") == [200] * 10
    assert refreshes in (["begins", "ends"], ["begins", "ends"] * 2)
