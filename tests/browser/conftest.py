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


@pytest.fixture(scope="module")
def tab_options() -> dict[str, Any]:
    """Playwright's options of the context that `tab` is in; modules have others."""
    return {}


@pytest.fixture(scope="module")
def tab_of_module(browser: Browser, tab_options: dict[str, Any]) -> Iterator[Page]:
    """Open the tab that tests of a module use one after the other."""
    with browser.new_context(**tab_options) as context:
        context.set_default_timeout(10_000)
        yield context.new_page()


@pytest.fixture
def tab(tab_of_module: Page, request: pytest.FixtureRequest, artefacts: Path) -> Iterator[Page]:
    """Return a tab that has forgotten the test before it, in a third of the time that a new context takes.

    Cookies, storages, other tabs, routes and the state of the network are as in a new one; what the context listens to,
    and the tab's history and authenticators, are not.
    """
    yield tab_of_module
    report = request.node.stash.get(REPORT, None)
    if report is not None and report.failed:
        tab_of_module.screenshot(path=artefacts / f"{request.node.name}.png")
    _forget(tab_of_module)


def _forget(tab: Page) -> None:
    context = tab.context
    for other in context.pages:
        if other != tab:
            other.close()
    tab.unroute_all(behavior="ignoreErrors")
    context.unroute_all(behavior="ignoreErrors")
    context.set_offline(False)
    context.clear_cookies()
    tab.goto("about:blank")
    devtools = context.new_cdp_session(tab)
    devtools.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "local_storage"})  # both storages
    devtools.detach()
