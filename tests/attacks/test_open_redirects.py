"""Open redirects: a link to our sign-in page that goes on to another site, which then asks for the password again."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.support.elsewhere import come_back, go_there
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, OUTBOX, running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "http:/evil.example",
    " //evil.example",
    "/%0d%0aset-cookie:x",
    "pages/account",
    "/ü",
    "",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_sign_in_goes_on_to_paths_of_ours_only(server: RunningServer, ann: dict[str, str], path: str) -> None:
    """Whatever a browser would take for another site is taken for nothing; so is what is no plain path."""
    with Browser(server) as browser:
        answer = browser.post("/pages/login", **ann, return_to=path)
        assert answer.status_code == 303
        expected = path if path.startswith("/%0d") else "/pages/account"
        assert answer.headers["location"] == expected
        again = browser.http.get("/pages/login", params={"return_to": path})
        assert again.headers["location"] == expected


def test_a_path_of_ours_is_gone_on_to(server: RunningServer, ann: dict[str, str]) -> None:
    """With its query."""
    with Browser(server) as browser:
        answer = browser.post("/pages/login", **ann, return_to="/app/orders?page=2&sort=a%2Fb")
        assert answer.headers["location"] == "/app/orders?page=2&sort=a%2Fb"


@pytest.mark.parametrize("path", ELSEWHERE[:4])
def test_a_sign_in_at_another_site_goes_on_to_paths_of_ours_only(tmp_path: Path, path: str) -> None:
    """What was asked for on the way there is not believed more than on our own page."""
    with (
        ScriptedProvider() as provider,
        running_server(tmp_path, providers={"corp": provider.settings()}) as server,
        Browser(server) as browser,
    ):
        provider.now = server.clock
        done = come_back(browser, provider.authorize(go_there(browser, return_to=path)))
        assert (done.status_code, done.headers["location"]) == (303, "/pages/account")


def test_other_tenants_of_the_host_are_elsewhere(tmp_path: Path) -> None:
    """Where the issuer has a path, only what lies under it is ours."""
    with running_server(tmp_path, issuer="http://localhost:8000/auth") as server, Browser(server) as browser:
        browser.http.post("/auth/signup", json=ANN)
        expected = {"/other": "/auth/pages/account", "/authority": "/auth/pages/account", "/auth/app": "/auth/app"}
        for path, goes_to in expected.items():
            fields = browser.fields("/auth/pages/login") | ANN | {"return_to": path}
            answer = browser.http.post("/auth/pages/login", data=fields, headers={"origin": "http://localhost:8000"})
            assert answer.headers["location"] == goes_to


APP, OTHER = "https://app.example.test", "http://shop.localhost:3000"
LISTED = [f"{APP}/orders?page=2#top", f"{APP}", f"{OTHER}/x", f"{APP}?a=b"]
NOT_LISTED = [
    f"{APP}.evil.example/",
    f"{APP}@evil.example/",
    f"{APP}:443@evil.example/",
    f"{APP}:8443/",
    f"{APP}\\@evil.example/",
    f"{APP}/\n//evil.example",
    f"{APP.replace('https', 'http')}/",
    f"{APP.upper()}/",
    f"//{APP.removeprefix('https://')}/",
    f"javascript:{APP}",
    f"https:{APP.removeprefix('https:')[1:]}",
    "https://evil.example/?to=https://app.example.test",
    "https://evil.example#https://app.example.test/",
    f"view-source:{APP}",
]


@pytest.fixture(scope="module")
def with_app(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server whose people come from an application and from a page of cookie mode."""
    data = tmp_path_factory.mktemp("app")
    with running_server(data, app_url=f"{APP}/start", browser_origins=(OTHER,)) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


def test_a_sign_in_goes_on_to_listed_origins_only(with_app: RunningServer) -> None:
    """A URL at a listed origin is gone on to by way of a page of ours; whatever only looks like one, to the start."""
    with Browser(with_app) as browser:
        for urls, is_listed in ((LISTED, True), (NOT_LISTED, False), ([""], False)):
            for url in urls:
                answer = browser.post("/pages/login", at="/pages/login?another=1", **ANN, return_to=url)
                goes_to = url if is_listed else f"{APP}/start"
                assert answer.status_code == 200, url
                assert f'content="0; url={html.escape(goes_to)}"' in answer.text, url
                seen = browser.http.get("/pages/login", params={"return_to": url})
                assert seen.headers["location"] == goes_to, url
        ours = browser.post("/pages/login", at="/pages/login?another=1", **ANN, return_to="/pages/account")
        assert ours.headers["location"] == "/pages/account"


def test_no_link_carries_another_site_on(with_app: RunningServer) -> None:
    """Between the pages too, a target that is not listed is dropped, and one that is goes along, also in mails."""
    with Browser(with_app) as browser:
        for page in ("login", "signup", "forgotten", "login/email"):
            shown = browser.http.get(f"/pages/{page}", params={"return_to": NOT_LISTED[0]}).text
            assert "evil.example" not in shown.partition("<footer")[0]
        browser.post("/pages/forgotten", email=ANN["email"], return_to=NOT_LISTED[1])
        browser.post("/pages/forgotten", email=ANN["email"], return_to=LISTED[2])
        outbox = browser.get(OUTBOX).text
        assert "evil.example" not in outbox
        assert f"return_to={quote(LISTED[2], safe='')}" in outbox


@pytest.mark.parametrize(
    "url", ["http://app.example.test", "https://App.example.test", "app.example.test", "https://x?y"]
)
def test_an_application_that_is_no_url_is_refused(url: str) -> None:
    """Before the server starts."""
    with pytest.raises(StartupError, match="app_url"):
        load(environment={"GATEPASS_APP_URL": url})
