"""The first page that a developer sees: its links lead somewhere, and its steps work."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

from tests.support.pages import Browser
from tests.support.server import ANN, running_server

from gatepass.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


def test_every_link_leads_somewhere(api: httpx.Client) -> None:
    """Pages, documents and the account, which asks to sign in first."""
    page = api.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'<a href="(/[^"]+)"', page.text)
    assert {"/pages/login", "/pages/signup", "/pages/account", "/docs"} <= set(links)
    for link in links:
        assert api.get(html.unescape(link)).status_code in (200, 303), link


def test_the_steps_work(server: RunningServer, api: httpx.Client) -> None:
    """What they send signs somebody up and in, and what they verify with takes the token."""
    text = html.unescape(api.get("/").text)
    steps = re.findall(r"curl (\S+) .*?-d '(.*?)'", text, re.DOTALL)
    signed_up, signed_in = (api.post(url, json=json.loads(body)) for url, body in steps)
    assert (signed_up.status_code, signed_in.status_code) == (201, 200)
    named = re.search(r'Verifier\(issuer="(.*?)", audience="(.*?)"\)', text)
    assert named is not None
    with Verifier(issuer=named[1], audience=named[2], clock=server.clock) as verifier:
        assert verifier.verify(signed_in.json()["token"]).subject.startswith("usr_")


def test_strangers_are_told_no_steps(tmp_path: Path) -> None:
    """Where others reach the server, the page says where to sign in; sign-up is named only where it is open."""
    with running_server(tmp_path, issuer="https://auth.example.com", signup="closed") as server, server.client() as api:
        text = api.get("/", headers={"host": "auth.example.com"}).text
    assert "curl" not in text
    assert "/pages/signup" not in text
    assert "/pages/login" in text


def test_the_application_is_one_link_away(api: httpx.Client, tmp_path: Path) -> None:
    """The first page and the account lead to `app_url`, named by its host in every language; without one, nowhere."""
    link = r'<a href="https://app\.example\.com/start">([^<]+)</a>'
    assert "app.example.com" not in api.get("/").text
    with running_server(tmp_path, app_url="https://app.example.com/start") as server, Browser(server) as ann:
        assert ann.http.post("/signup", json=ANN).status_code == 201
        ann.sign_in(ANN)
        for language, words in (("en", "Go to"), ("de", "Zu"), ("fr", "Aller à")):
            for path in ("/", "/pages/account"):
                page = ann.get(path, **{"accept-language": language}).text
                assert re.findall(link, page) == [f"{words} app.example.com"], (language, path)
