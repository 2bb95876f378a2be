"""A Django site that signs people in by libraries of others, unchanged: Authlib, mozilla-django-oidc, social-auth."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import add_client
from tests.support.journey import arrive, asks_for_a_password, is_at_the_server, travel
from tests.support.pages import Browser
from tests.support.server import SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

SITE = Path(__file__).parents[1] / "support" / "django_site.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the site goes by."""
    with running_server(tmp_path_factory.mktemp("django") / "data", SettableClock(time.time())) as running:
        yield running


@pytest.fixture(scope="module")
def site(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The site's first page. Its clients were added as the guide says; the socket listens before the site does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        home = f"http://localhost:{listener.getsockname()[1]}/"

        def client(callback: str, *words: str) -> tuple[str, str]:
            return add_client(server, callback, "--redirect-uri", home + callback, *words)

        given = {
            "issuer": server.url,
            "home": home,
            "database": str(tmp_path_factory.mktemp("site") / "site.db"),
            "authlib": client("authlib/callback", "--post-logout-redirect-uri", home + "authlib/out"),
            "mozilla": client("mozilla/callback/", "--post-logout-redirect-uri", home),
            "social": client("social/complete/oidc/"),
        }
        told = os.environ | {"SITE": json.dumps(given), "SOCKET": str(listener.fileno())}
        with subprocess.Popen([sys.executable, str(SITE)], env=told, pass_fds=[listener.fileno()]) as process:
            try:
                yield home
            finally:
                process.terminate()


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """Somebody's browser, with nothing in it."""
    with Browser(server) as browser:
        yield browser


def sign_up(server: RunningServer, name: str) -> dict[str, str]:
    """Somebody of their own for each test: the libraries find people of the site by e-mail address."""
    person = {"email": f"{name}@example.test", "password": "a sentence of some words"}
    with server.client() as api:
        assert api.post("/signup", json=person).status_code == 201
    return person


def whose(browser: Browser, site: str) -> Any:  # noqa: ANN401 - JSON
    """Who is signed in at the site."""
    return browser.get(site).json()["email"]


def has_to_sign_in(browser: Browser, url: str) -> bool:
    """Whether the server asks for a password before the site gets anything."""
    answer = arrive(browser, url)
    return is_at_the_server(browser, answer) and asks_for_a_password(answer)


def test_authlib(server: RunningServer, site: str, browser: Browser) -> None:
    """Metadata, code and PKCE, ID token, UserInfo, refresh, and a logout that comes back with its state."""
    person = sign_up(server, "authlib")
    found = travel(browser, f"{site}authlib/login", person).json()
    assert found["claims"]["iss"] == server.url
    assert found["userinfo"] == {
        "sub": found["claims"]["sub"],
        "email": person["email"],
        "email_verified": False,
    }
    assert arrive(browser, f"{site}authlib/logout").json() == {"out": f"{site}authlib/out"}
    assert has_to_sign_in(browser, f"{site}authlib/login")


def test_mozilla_django_oidc(server: RunningServer, site: str, browser: Browser) -> None:
    """Sign in, renew by `prompt=none` when the ID token has expired, sign out there and here."""
    person = sign_up(server, "mozilla")
    travel(browser, f"{site}mozilla/authenticate/", person)
    assert whose(browser, site) == person["email"]
    assert arrive(browser, f"{site}mozilla/stale").json() == {"email": person["email"]}
    out = arrive(browser, f"{site}mozilla/logout/")
    assert (str(out.url), out.json()) == (site, {"email": None})
    assert has_to_sign_in(browser, f"{site}mozilla/authenticate/")


def test_mozilla_django_oidc_when_the_session_has_ended(server: RunningServer, site: str, browser: Browser) -> None:
    """Signing out at the server signs out of the site, as soon as that asks again."""
    travel(browser, f"{site}mozilla/authenticate/", sign_up(server, "mozilla-ended"))
    browser.post("/pages/logout", at="/pages/account")
    assert arrive(browser, f"{site}mozilla/stale").json() == {"email": None}


def test_social_auth(server: RunningServer, site: str, browser: Browser) -> None:
    """Discovery, code and PKCE, nonce and `at_hash`, consent to a refresh token, another access token."""
    person = sign_up(server, "social")
    travel(browser, f"{site}social/login/oidc/", person, by_post=True)
    assert whose(browser, site) == person["email"]
    kept = browser.get(f"{site}social/refresh").json()
    assert kept["uid"].startswith("usr_")
    assert kept["renewed"]
    assert browser.get(f"{site}logout").json() == {"email": None}
    assert travel(browser, f"{site}social/login/oidc/", person, by_post=True).json() == {"email": person["email"]}
