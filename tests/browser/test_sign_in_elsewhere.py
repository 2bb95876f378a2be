"""In Chromium without JavaScript: to a provider that is not ours and back, from the first click to a token in hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect
from tests.support.real_provider import provider_settings, real_provider
from tests.support.server import SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server whose people may come from a real provider."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with (
        real_provider() as issuer,
        running_server(folder, SettableClock(time.time()), providers=provider_settings(issuer)) as running,
    ):
        yield running


@pytest.fixture
def page(server: RunningServer, open_page: OpenPage) -> Page:
    """A page without scripts."""
    return open_page(java_script_enabled=False, base_url=server.url)


def sign_in_there(page: Page, name: str) -> None:
    """Fill in the provider's forms."""
    page.locator('input[name="login"]').fill(name)
    page.locator('input[name="password"]').fill("any")
    page.locator('[type="submit"]').click()
    page.locator('[type="submit"]').click()  # consent


def token_of(page: Page) -> str:
    """The access token that an application of this site gets with the browser's cookie."""
    url = page.url.partition("/pages/")[0]
    answer = page.request.post(f"{url}/refresh", headers={"origin": url, "gatepass-request": "1"})
    assert answer.ok, answer.text()
    token: str = answer.json()["token"]
    return token


def test_there_and_back_and_away_again(page: Page) -> None:
    """An account is made by the first sign-in; its owner sees what is connected, connects another and removes one."""
    page.goto("/pages/account/identities")
    page.get_by_role("link", name="Sign in with Corp").click()
    sign_in_there(page, "ann")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connected accounts")
    expect(page.get_by_text("ann@example.test")).to_be_visible()
    assert token_of(page).count(".") == 2
    page.get_by_role("button", name="Connect Corp", exact=True).click()
    page.locator('[type="submit"]').click()  # consent again
    expect(page.get_by_role("button", name="Disconnect Corp")).to_have_count(1)
    page.get_by_role("button", name="Disconnect Corp").click()
    expect(page.get_by_text("No connected accounts")).to_be_visible()
    page.goto("/pages/account")
    expect(page.get_by_text("ann@example.test")).to_be_visible()
