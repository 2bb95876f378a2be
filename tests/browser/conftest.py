"""A real Chromium, the distribution's own, that reaches nothing but this machine."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

REPORT = pytest.StashKey[pytest.TestReport]()
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # the sandbox refuses to run as root, which containers do
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
)


class OpenPage(Protocol):
    """Opens a page in a context of its own: no cookies, no storage, no history."""

    def __call__(self, **options: Any) -> Page:  # noqa: ANN401 - Playwright's options of `new_context`
        """Open it with options of Playwright's `new_context`."""
        ...


def chromium() -> str:
    """Return the path of the Chromium to drive."""
    names = (os.environ["CHROMIUM"],) if "CHROMIUM" in os.environ else NAMES
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.fail("the browser tests need Chromium: run scripts/ensure-chromium")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep how the test went, for the picture of a failure."""
    report = yield
    if report.when == "call":
        item.stash[REPORT] = report
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for the tests of a module.

    Not of the session: Playwright's event loop counts as running until it stops, and other modules run their own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest, artefacts: Path) -> Iterator[OpenPage]:
    """Return a function that opens pages; a test that fails leaves a picture of each in test-artefacts/."""
    pages: list[Page] = []
    with ExitStack() as contexts:

        def open_page(**options: Any) -> Page:  # noqa: ANN401 - Playwright's options of `new_context`
            context = browser.new_context(**options)
            contexts.callback(context.close)
            context.set_default_timeout(10_000)
            pages.append(context.new_page())
            return pages[-1]

        yield open_page
        report = request.node.stash.get(REPORT, None)
        if report is not None and report.failed:
            for number, page in enumerate(pages):
                page.screenshot(path=artefacts / f"{request.node.name}-{number}.png")


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """Open one page."""
    return open_page()
