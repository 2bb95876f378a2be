"""The server's pages in a browser: usable by everybody, on a phone and on a screen; nothing comes from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.support.server import ANN, OUTBOX, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """Start a server with its usual settings."""
    with running_server(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_api_page_is_accessible(
    server: RunningServer, open_page: OpenPage, artefacts: Path, scheme: str, width: int
) -> None:
    """`/docs` has no violation that axe finds, does not scroll sideways, and loads only what is there and allowed."""
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    answers: list[tuple[str, int]] = []
    complaints: list[str] = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{server.url}/docs")
    found = Axe().run(page)
    page.screenshot(path=artefacts / f"docs-{scheme}-{width}.png")
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [answer for answer in answers if not answer[0].startswith(server.url) or answer[1] != 200] == []
    # The browser asks for an icon on its own account; that there is none is nobody's mistake.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []


MAILS = OUTBOX.removeprefix("/pages/")
PAGES = ("login", "login/email", "signup", "forgotten", "reset?token=x", "lock?token=x", MAILS, "nothing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_are_accessible(server: RunningServer, open_page: OpenPage, scheme: str) -> None:
    """No page, with an error or without, signed in or not, has a violation that axe finds, or scrolls sideways."""
    with server.client() as api:
        api.post("/signup", json=ANN)
    page = open_page(color_scheme=scheme, viewport={"width": 360, "height": 900})

    def check() -> None:
        found = Axe().run(page)
        assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    for name in PAGES:
        page.goto(f"{server.url}/pages/{name}")
        check()
    page.goto(f"{server.url}/pages/login")
    for password in ("not the one at all", ANN["password"]):
        page.get_by_label("Email address").fill(ANN["email"])
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        check()
    for name in ("account", "account/email", "account/password", "account/delete"):
        page.goto(f"{server.url}/pages/{name}")
        check()
