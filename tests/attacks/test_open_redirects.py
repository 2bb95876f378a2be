"""Open redirects: a link to our sign-in page that goes on to another site, which then asks for the password again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.elsewhere import come_back, go_there
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
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
