"""The server's own pages with JavaScript off: from the first click to a token in hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.support.server import ANN, SettableClock, running_server
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
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


@pytest.fixture
def page(server: RunningServer, open_page: OpenPage) -> Page:
    """A page without scripts."""
    return open_page(java_script_enabled=False, ignore_https_errors=True, base_url=server.url)


def sign_in(page: Page, person: dict[str, str]) -> None:
    """Fill in the form, wherever it was met."""
    page.get_by_label("E-mail address").fill(person["email"])
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
    person = {"email": f"p{time.time_ns()}@example.test", "password": "a sentence of some words"}
    page.goto("/pages/login")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("E-mail address").fill(person["email"])
    page.get_by_label("New password").fill(person["password"])
    page.get_by_role("button", name="Make an account").click()
    expect(page.get_by_role("heading")).to_have_text("Your account is made")
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, person)
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
    expect(page.get_by_label("E-mail address")).to_have_value(ANN["email"])
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
    person = {"email": f"p{time.time_ns()}@example.test", "password": "a sentence of some words"}
    with server.client(verify=False) as api:
        api.post("/signup", json=person)
    for each in (other, page):
        each.goto("/pages/login")
        sign_in(each, person)
    page.get_by_role("button", name="Sign out there").click()
    expect(page.get_by_role("button", name="Sign out there")).to_have_count(0)
    other.reload()
    expect(other.get_by_role("heading", level=1)).to_have_text("Sign in")
