"""The server's pages in a browser: usable by everybody, on a phone and on a screen; nothing comes from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.browser.test_look import SCHEMES
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.browser.conftest import OpenPage
    from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """Start a server with its usual settings."""
    with running_server(tmp_path_factory.mktemp("pages")) as running:
        yield running


def test_the_api_page_is_accessible(server: RunningServer, open_page: OpenPage) -> None:
    """`/docs` has no violation that axe finds, does not scroll sideways, and loads only what is there and allowed."""
    page = open_page(viewport={"width": 1280, "height": 900})
    answers: list[tuple[str, int]] = []
    complaints: list[str] = []
    page.on("response", lambda response: answers.append((response.url, response.status)))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{server.url}/docs")
    for scheme, rules in SCHEMES.items():
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        found = Axe().run(page, options=rules)
        assert found.violations_count == 0, found.generate_report()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [answer for answer in answers if not answer[0].startswith(server.url) or answer[1] != 200] == []
    # The browser asks for an icon on its own account; that there is none is nobody's mistake.
    assert [text for text in complaints if not text.startswith("Failed to load resource")] == []
