"""The operators' console: pages over the same acts, for a person with the role and two factors, without scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.support.factors import Application, bearer, sign_in
from tests.support.operators import OperatorInPerson, printed
from tests.support.pages import Browser
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer


OLGA = {"email": "olga@example.test", "password": "correct horse battery"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all of these."""
    with running_server(tmp_path_factory.mktemp("console") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def olga(server: RunningServer) -> OperatorInPerson:
    """An operator, who set up an authenticator app on the page, with the code that the command printed."""
    made = printed(server, "user", "add", OLGA["email"], "--operator", stdin=f"{OLGA['password']}\n")
    with Browser(server) as browser:
        browser.sign_in(OLGA)
        assert "needs the one-time code" in browser.get("/pages/account/totp").text
        start = "/pages/account/totp/start"
        refused = browser.post(start, at="/pages/account/factors", enrollment_code="a guess")
        assert "needs the one-time code" in refused.text
        shown = browser.post(start, at="/pages/account/factors", enrollment_code=made["enrollment_code"])
        secret = re.search(r"[?]secret=([A-Z2-7]+)&amp;", shown.text)
        assert secret is not None, shown.text
        app = Application(server, f"otpauth://totp/x?secret={secret[1].replace(' ', '')}")
        csrf = re.search(r'name="csrf" value="([^"]+)"', shown.text)
        assert csrf is not None
        form = {"csrf": csrf[1], "code": app.code()}
        done = browser.http.post("/pages/account/totp", data=form, headers={"origin": server.url})
        assert done.status_code == 200
    return OperatorInPerson(made["id"], OLGA, app)


@pytest.fixture
def console(server: RunningServer, olga: OperatorInPerson) -> Generator[Browser]:
    """Olga's browser, signed in with both factors."""
    with Browser(server) as browser:
        browser.sign_in(OLGA)
        assert browser.post("/pages/login/factor", code=olga.app.next_code()).status_code == 303
        yield browser


def test_nobody_else_sees_it(server: RunningServer) -> None:
    """A stranger is led to sign in; a person without the role is told what it needs, and nothing else."""
    with Browser(server) as browser:
        assert browser.http.get("/pages/admin").headers["location"].startswith("/pages/login")
        browser.http.post("/signup", json=ANN)
        browser.sign_in(ANN)
        for path in (
            "",
            "/people",
            "/organizations",
            "/clients",
            "/apis",
            "/roles",
            "/events",
            "/keys",
            f"/person?id={ANN['email']}",
        ):
            refused = browser.get(f"/pages/admin{path}")
            assert refused.status_code == 403
            assert OLGA["email"] not in refused.text


def test_the_whole_console(server: RunningServer, console: Browser, olga: OperatorInPerson) -> None:
    """People are found and looked at; what is done to one counts at once, and the log says who did it."""
    zoe = {"email": "zoe@example.test", "password": "correct horse battery"}
    with server.client() as api:
        person = api.post("/signup", json=zoe).json()["id"]
        token = sign_in(api, zoe).json()["token"]
        assert "Sign-ins" in console.get("/pages/admin").text
        found = console.get("/pages/admin/people?search=zo").text
        assert zoe["email"] in found
        assert OLGA["email"] not in found
        page = f"/pages/admin/person?id={person}"
        assert zoe["email"] in console.get(page).text
        console.post("/pages/admin/person/roles", at=page, roles="editor author")
        assert api.get("/me", headers=bearer(sign_in(api, zoe).json()["token"])).json()["roles"] == ["author", "editor"]
        console.post("/pages/admin/person/logout", at=page)
        assert api.get("/me", headers=bearer(token)).status_code == 401
        console.post("/pages/admin/person/disable", at=page)
        assert sign_in(api, zoe).json()["code"] == "account_disabled"
        console.post("/pages/admin/person/enable", at=page)
        assert sign_in(api, zoe).status_code == 200
        log = console.get(f"/pages/admin/events?user={person}").text
        assert f"by {olga.id}" in log
        wrong = console.post("/pages/admin/person/delete", at=page, email="other@example.test")
        assert "Type the email address" in wrong.text
        console.post("/pages/admin/person/delete", at=page, email="Zoe@Example.test ")
        assert console.get(page).status_code == 404


def test_a_form_of_another_site_does_nothing(server: RunningServer, console: Browser, olga: OperatorInPerson) -> None:
    """Without the page's own token, from another origin, nothing is changed."""
    evil = {"origin": "https://evil.example"}
    for name in ("disable", "delete", "factors", "roles"):
        answer = console.http.post(f"/pages/admin/person/{name}", data={"id": olga.id}, headers=evil)
        assert answer.status_code == 403
    assert console.get(f"/pages/admin/person?id={olga.id}").status_code == 200


def test_clients_events_and_keys(server: RunningServer, console: Browser) -> None:
    """An application is disabled and enabled, the log is filtered, and a key is added."""
    made = printed(server, "client", "add", "Shop", "--scope", "read")
    assert "Shop" in console.get("/pages/admin/clients").text
    console.post("/pages/admin/clients/disable", at="/pages/admin/clients", client_id=made["client_id"])
    assert "Disabled" in console.get("/pages/admin/clients").text
    console.post("/pages/admin/clients/enable", at="/pages/admin/clients", client_id=made["client_id"])
    assert "Application disabled" in console.get("/pages/admin/events?kind=client_disabled").text
    assert console.get("/pages/admin/events?kind=nonsense").status_code == 422
    before = console.get("/pages/admin/keys").text.count("<code>")
    console.post("/pages/admin/keys/rotate", at="/pages/admin/keys")
    assert console.get("/pages/admin/keys").text.count("<code>") == before + 1
    assert console.get("/pages/admin/people?cursor=***").status_code == 422


def test_an_old_sign_in_is_renewed_first(server: RunningServer, console: Browser) -> None:
    """After a while the console asks for a proof again before it shows anything."""
    server.clock.advance(server.settings.recent_sign_in_seconds + 1)
    answer = console.http.get("/pages/admin")
    assert answer.status_code == 303
    assert "/pages/reauthenticate" in answer.headers["location"]


def test_roles_and_apis(console: Browser, server: RunningServer) -> None:
    """They are added, changed and removed; what is wrong is said beside the form, which keeps what was typed."""
    roles, apis = "/pages/admin/roles", "/pages/admin/apis"
    console.post(roles, at=roles, name="seller", permissions="shop:sell  shop:read")
    assert "shop:read shop:sell" in console.get(roles).text
    wrong = console.post(roles, at=roles, name="seller", permissions='"x"')
    assert wrong.status_code == 422
    assert 'value="seller"' in wrong.text
    console.post(f"{roles}/remove", at=roles, name="seller")
    assert "No roles yet." in console.get(roles).text
    shop = "https://shop.example.test"
    printed(server, "api", "add", shop, "--scope", "sell=Sell for you", "--public")
    console.post(apis, at=apis, audience=shop, name="Shop", scopes="read sell")
    kept = printed(server, "api", "show", shop)
    assert (kept["name"], kept["public"]) == ("Shop", True)
    assert [scope["name"] for scope in kept["scopes"]] == ["read", "sell"]
    assert kept["scopes"][1]["text"] == "Sell for you"
    console.post(f"{apis}/remove", at=apis, audience=shop)
    assert "No APIs yet." in console.get(apis).text
