"""The pages of organizations, without scripts: one's own, an invitation, the members, and the operators' console."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.support.operators import add_operator
from tests.support.organizations import Operating, Person
from tests.support.pages import Browser
from tests.support.server import ANN, OUTBOX, running_server

from gatepass.jose import jwt
from gatepass.server.base.texts import Texts, time_in_words
from gatepass.server.domain.mail.notices import INVITATION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for the module."""
    with running_server(tmp_path_factory.mktemp("organizations"), is_awaited=False) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client."""
    with server.client() as client:
        yield client


@pytest.fixture
def ops(server: RunningServer, api: httpx.Client) -> Operating:
    """An operator's client."""
    return Operating.at(server, api)


def send(browser: Browser, at: str, action: str, **fields: str) -> httpx.Response:
    """Send a form with the token of the page that it is on."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get(at).text)
    assert csrf is not None
    data = {"csrf": csrf[1], **fields}
    return browser.http.post(f"/pages/{action}", data=data, headers={"origin": browser.server.url})


def active(browser: Browser) -> object:
    """The organization of the browser's next token."""
    return jwt.peek(browser.refresh().json()["token"]).claims.get("org_id")


def test_a_person_switches_and_leaves(server: RunningServer, api: httpx.Client, ops: Operating) -> None:
    """On a page, by buttons; the browser's tokens follow."""
    ada, acme, other = Person(api), ops.add("acme"), ops.add("other")
    with Browser(server) as browser:
        browser.sign_in(ada.given)
        assert "You do not belong to any organization" in browser.get("/pages/organizations").text
        ops.join(acme, ada)
        ops.join(other, ada, "admin")
        shown = browser.get("/pages/organizations").text
        assert "Acme" in shown
        assert f"/pages/organizations/members?id={other}" in shown
        assert f"/pages/organizations/members?id={acme}" not in shown
        assert send(browser, "/pages/organizations", "organizations/switch", id=acme).status_code == 303
        assert active(browser) == acme
        assert send(browser, "/pages/organizations", "organizations/leave", id=acme).status_code == 303
        assert active(browser) is None
        stuck = send(browser, "/pages/organizations", "organizations/leave", id=other)
        assert (stuck.status_code, "needs an admin" in stuck.text) == (409, True)
        refused = send(browser, "/pages/organizations", "organizations/switch", id=acme)
        assert (refused.status_code, "You are not a member" in refused.text) == (403, True)
        assert send(browser, "/pages/organizations", "organizations/join", id=acme).status_code == 403


def test_an_admin_invites_and_a_new_person_joins(server: RunningServer, api: httpx.Client, ops: Operating) -> None:
    """By mail: who is new creates an account from it, signs in and joins; nothing happens by looking."""
    ada, acme = Person(api), ops.add("invites")
    ops.join(acme, ada, "admin")
    new = ANN | {"email": "newcomer@example.test"}
    page = f"/pages/organizations/members?id={acme}"
    with Browser(server) as browser:
        browser.sign_in(ada.given)
        bad = send(browser, page, "organizations/members/invite", id=acme, email="nobody", roles="editor")
        assert (bad.status_code, 'value="nobody"' in bad.text) == (422, True)
        sent = send(browser, page, "organizations/members/invite", id=acme, email=new["email"], roles="editor")
        assert sent.status_code == 303
        assert new["email"] in browser.get(page).text
    mails = api.get(OUTBOX).text
    token = re.search(r"organizations/invitation\?token=([\w-]+)", mails)
    assert token is not None
    until = time_in_words(Texts().translate("en"), server.clock() + INVITATION_SECONDS)
    assert f"It works once, until {until}." in mails
    here = f"/pages/organizations/invitation?token={token[1]}"
    with Browser(server) as browser:
        shown = browser.get(here).text
        assert "You are invited to join Invites" in html.unescape(shown)
        short = send(browser, here, "organizations/invitation/account", token=token[1], password="short")
        assert (short.status_code, "too short" in short.text) == (422, True)
        made = send(browser, here, "organizations/invitation/account", token=token[1], password=new["password"])
        assert made.headers["location"] == f"/pages/login?return_to={quote(here, safe='')}"
        back = browser.post("/pages/login", **new, return_to=here)
        assert back.headers["location"] == here
        assert ops.call("GET", f"/{acme}").json()["members"] == 1
        assert "There is an account with this address" not in browser.get(here).text
        assert send(browser, here, "organizations/invitation", token=token[1]).status_code == 303
        assert "Invites" in browser.get("/pages/organizations").text
        assert "no longer valid" in browser.get(here).text
        gone = send(browser, "/pages/organizations", "organizations/invitation", token=token[1])
        assert gone.status_code == 403
        assert browser.get(page).status_code == 403  # a member is no admin
    with Browser(server) as browser:
        browser.sign_in(ada.given)
        found = browser.get(f"{page}&search=newc").text
        assert (new["email"] in found, ada.given["email"] in found) == (True, False)
        user = re.search(r'name="user" value="([^"]+)"', found)
        assert user is not None
        changed = send(browser, page, "organizations/members/roles", id=acme, user=user[1], roles="editor admin")
        assert changed.status_code == 303
        assert send(browser, page, "organizations/members/remove", id=acme, user=user[1]).status_code == 303
        assert send(browser, page, "organizations/members/remove", id=acme, user=user[1]).status_code == 404
        server.clock.advance(server.settings.recent_sign_in_seconds + 1)
        late = send(browser, page, "organizations/members/remove", id=acme, user=ada.id)
        assert late.headers["location"].startswith("/pages/reauthenticate")


def test_an_invitation_for_somebody_with_an_account(server: RunningServer, api: httpx.Client, ops: Operating) -> None:
    """Another account is led to sign in with the invited one; the page tells no stranger more than the mail did."""
    ada, zoe, acme = Person(api), Person(api), ops.add("existing")
    assert ops.call("POST", f"/{acme}/invitations", email=zoe.given["email"]).status_code == 201
    token = re.search(r"organizations/invitation\?token=([\w-]+)", api.get(OUTBOX).text)
    assert token is not None
    here = f"/pages/organizations/invitation?token={token[1]}"
    with Browser(server) as browser:
        browser.sign_in(ada.given)
        assert "another=1" in browser.get(here).text
        other = send(browser, "/pages/account", "organizations/invitation", token=token[1])
        assert (other.status_code, "another email address" in other.text) == (403, True)
        taken = send(
            browser, "/pages/account", "organizations/invitation/account", token=token[1], password=ANN["password"]
        )
        assert (taken.status_code, "already an account" in taken.text) == (409, True)


def test_the_console_has_organizations(server: RunningServer, api: httpx.Client) -> None:
    """An operator adds one, its members and domains, changes and deletes it; whoever is none sees none of it."""
    olga, ada = add_operator(server, "olga@example.test"), Person(api)
    with Browser(server) as browser:
        browser.sign_in(ada.given)
        for path in ("admin/organizations", "admin/organization?id=console"):
            assert browser.get(f"/pages/{path}").status_code == 403
    with Browser(server) as browser:
        browser.sign_in(olga.credentials)
        assert browser.post("/pages/login/factor", code=olga.app.next_code()).status_code == 303
        listed = "/pages/admin/organizations"
        wrong = send(browser, listed, "admin/organizations", name="Console", slug="No Slug")
        assert (wrong.status_code, 'value="No Slug"' in wrong.text) == (422, True)
        made = send(browser, listed, "admin/organizations", name="Console", slug="console")
        one = made.headers["location"]
        organization = one.partition("id=")[2]
        assert "Console" in browser.get(f"{listed}?search=con").text

        def act(what: str, **fields: str) -> httpx.Response:
            return send(browser, one, f"admin/organization/{what}", id=organization, **fields)

        assert act("add", email=ada.given["email"], roles="admin").status_code == 303
        assert ada.given["email"] in browser.get(one).text
        assert act("add", email=ada.given["email"]).status_code == 409
        assert act("domain/add", domain="acme.test").status_code == 303
        assert "_gatepass-challenge.acme.test. TXT" in browser.get(one).text
        assert act("domain/remove", domain="acme.test").status_code == 303
        assert act("invite", email="x@example.test", roles="editor").status_code == 303
        invitation = re.search(r'name="invitation" value="([^"]+)"', browser.get(one).text)
        assert invitation is not None
        assert act("withdraw", invitation=invitation[1]).status_code == 303
        assert act("change", name="Renamed", slug="renamed").status_code == 303
        assert "Renamed" in browser.get(one).text
        assert act("delete", slug="console").status_code == 422
        assert act("delete", slug="renamed").status_code == 303
        assert browser.get(one).status_code == 404
