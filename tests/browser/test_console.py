"""The operators' console as operators meet it: on a phone and a screen, by day and by night, in every language."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.browser.test_look import Eye
from tests.support.factors import sign_in
from tests.support.operators import add_operator, printed
from tests.support.server import SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.browser.conftest import OpenPage
    from tests.browser.test_look import Record
    from tests.support.operators import OperatorInPerson
    from tests.support.server import RunningServer

PASSWORD = "a sentence of some words"
LONG = "bartholomew.featherstonehaugh-cholmondeley+newsletters@a-department.of-a-university.example.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server with people, an application and some days behind it. Browsers have the real time."""
    clock = SettableClock(time.time() - 3 * 86_400)
    with running_server(tmp_path_factory.mktemp("console") / "data", clock) as running:
        with running.client() as api:
            for number in range(30):
                person = {"email": LONG if number == 0 else f"person{number}@example.test", "password": PASSWORD}
                assert api.post("/signup", json=person).status_code == 201
                sign_in(api, person)
                clock.advance(8_000)
        clock.now = time.time()
        _fill_organization(running)
        printed(running, "client", "add", "Shop", "--redirect-uri", "https://shop.example.test/cb")
        yield running


def _fill_organization(server: RunningServer) -> None:
    """An organization with long names, members, an invitation that waits and a domain that nobody has proved yet."""
    name = "Department of Comparative Linguistics and Philology of a University with a Very Long Name Indeed"
    printed(server, "org", "add", "a-department-of-a-university-with-a-long-name", name)
    printed(server, "org", "add", "acme", name)
    printed(server, "org", "add-member", "acme", LONG, "--role", "editor")
    printed(server, "org", "invite", "acme", f"new.{LONG}", "--role", "admin")
    printed(server, "org", "add-domain", "acme", LONG.rpartition("@")[2])


@pytest.fixture(scope="module")
def olga(server: RunningServer) -> OperatorInPerson:
    """An operator."""
    olga = add_operator(server, "olga@example.test")
    printed(server, "org", "add-member", "acme", olga.id, "--role", "admin")
    return olga


@pytest.fixture(scope="module")
def webhook_id(server: RunningServer) -> str:
    """A webhook with a long address, which is not reached."""
    made = printed(server, "webhook", "add", f"https://192.0.2.1/{'very-long-' * 9}", "--event", "user.created")
    printed(server, "webhook", "test", made["id"])
    return str(made["id"])


PAGES = {
    "admin": "admin",
    "admin-people": "admin/people",
    "admin-people-search": "admin/people?search=nobody",
    "admin-person": f"admin/person?id={LONG.replace('+', '%2B')}",
    "admin-organizations": "admin/organizations",
    "admin-organization": "admin/organization?id=acme",
    "organizations": "organizations",
    "organization-members": "organizations/members?id=acme",
    "invitation-gone": "organizations/invitation?token=x",
    "admin-clients": "admin/clients",
    "admin-apis": "admin/apis",
    "admin-roles": "admin/roles",
    "admin-webhooks": "admin/webhooks",
    "admin-events": "admin/events",
    "admin-keys": "admin/keys",
}

WORDY = ("admin", "admin-person", "admin-organization")
"""The pages with the most text, which other languages make longer."""


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "fr-FR"])
def test_how_it_looks(
    server: RunningServer,
    olga: OperatorInPerson,
    webhook_id: str,
    open_page: OpenPage,
    artefacts: Path,
    record_property: Record,
    locale: str,
) -> None:
    """Axe finds nothing, nothing scrolls sideways, no page is heavy; everything also works without scripts."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    page = open_page(base_url=server.url, locale=locale)
    eye = Eye(page, folder)
    page.goto("/pages/login?return_to=/pages/admin")
    page.locator("input[name=email]").fill(olga.credentials["email"])
    page.locator("input[name=password]").fill(olga.credentials["password"])
    page.locator("form[action$='/pages/login'] button:not([type])").click()
    page.locator("input[name=code]").fill(olga.app.next_code())
    page.locator("form:has(input[name=code]) button").click()
    page.wait_for_url("**/pages/admin")
    shown = PAGES if locale == "en-GB" else {name: PAGES[name] for name in WORDY}
    for name, path in {**shown, "admin-webhook": f"admin/webhook?id={webhook_id}"}.items():
        page.goto(f"/pages/{path}")
        for details in page.locator("details").all():
            details.evaluate("each => { each.open = true }")
        eye.look(f"{name}-{locale[:2]}")
    assert eye.complaints == []
    record_property("pages", eye.summary())
