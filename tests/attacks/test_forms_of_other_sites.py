"""Cross-site request forgery on the pages: another site's page sends our forms from a browser that we know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.pages import Browser
from tests.support.server import OUTBOX, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

EVE = {"email": "eve@example.test", "password": "eve has a long password"}


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """Somebody's browser."""
    with Browser(server) as browser:
        yield browser


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost:1", "http://localhost"])
def test_a_form_from_elsewhere_signs_nobody_in(
    browser: Browser, ann: dict[str, str], api: httpx.Client, origin: str | None
) -> None:
    """Login CSRF: 403 and no session, even with the right token, when the `Origin` is not the issuer's or not there."""
    api.post("/signup", json=EVE)
    fields = browser.fields("/pages/login") | EVE
    answer = browser.http.post("/pages/login", data=fields, headers={} if origin is None else {"origin": origin})
    assert answer.status_code == 403
    assert not answer.cookies
    browser.sign_in(ann)
    answer = browser.http.post("/pages/logout", data=fields, headers={} if origin is None else {"origin": origin})
    assert answer.status_code == 403
    assert browser.refresh().status_code == 200


def test_a_forms_token_belongs_to_one_browser(server: RunningServer, browser: Browser, api: httpx.Client) -> None:
    """A token that the attacker's own browser was given is worth nothing in another, nor is none or half of it."""
    api.post("/signup", json=EVE)
    with Browser(server) as eves:
        foreign = eves.fields("/pages/login")["csrf"]
    own = browser.fields("/pages/login")
    for token in (foreign, "", own["csrf"][:-1], own["csrf"] + "A"):
        answer = browser.http.post("/pages/login", data=own | EVE | {"csrf": token}, headers={"origin": server.url})
        assert answer.status_code == 403
        assert not answer.cookies


def test_json_is_no_form(browser: Browser, ann: dict[str, str]) -> None:
    """Nor is a form JSON: each call takes the one media type only."""
    assert browser.http.post("/pages/login", json=ann, headers={"origin": browser.server.url}).status_code == 415
    assert browser.http.post("/login", data=ann, headers={"origin": browser.server.url}).status_code == 415


def test_a_planted_browser_name_ends_with_the_sign_in(browser: Browser, ann: dict[str, str]) -> None:
    """Session fixation: cookies that were there before are replaced, so a token made for them is worth nothing."""
    planted = browser.fields("/pages/login")
    name = browser.http.cookies[browser.server.cookie("gatepass-browser")]
    browser.sign_in(ann)
    assert browser.http.cookies[browser.server.cookie("gatepass-browser")] != name
    answer = browser.http.post("/pages/logout", data=planted, headers={"origin": browser.server.url})
    assert answer.status_code == 403


def test_a_session_that_was_there_is_not_gone_on_with(
    server: RunningServer, browser: Browser, ann: dict[str, str], api: httpx.Client
) -> None:
    """Somebody else's session cookie in the browser is replaced by a sign-in on the page."""
    api.post("/signup", json=EVE)
    with Browser(server) as eves:
        eves.sign_in(EVE)
        fields = browser.fields("/pages/login") | ann
        name = server.cookie()
        browser.http.cookies.set(name, eves.http.cookies[name], domain="localhost.local")
        browser.http.post("/pages/login", data=fields, headers={"origin": server.url})
        assert ann["email"] in browser.get("/pages/account").text
        assert EVE["email"] in eves.get("/pages/account").text


def test_no_page_can_be_framed_or_scripted(server: RunningServer, browser: Browser) -> None:
    """Clickjacking and injection: no frame, one script, no other origin in the policy of any page, errors included."""
    for path in ("/pages/login", "/pages/signup", "/pages/nothing"):
        answer = browser.get(path)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert policy.partition("script-src ")[2] == f"{server.url}/static/passkeys.js"
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_what_people_type_stays_text(browser: Browser) -> None:
    """Markup in an address comes back as text."""
    answer = browser.post("/pages/login", email="<script>alert(1)</script>\"'@x", password="x")
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_a_name_that_leads_here_is_shown_no_mail(browser: Browser, ann: dict[str, str], api: httpx.Client) -> None:
    """DNS rebinding: a page of evil.example, resolved to loopback, may read what comes back, and gets no links."""
    api.post("/password/forgotten", json={"email": ann["email"]})
    assert "token=" in browser.get(OUTBOX).text
    for host in ("evil.example", f"evil.example:{browser.server.settings.port}", "localhost.evil.example"):
        answer = browser.http.get(OUTBOX, headers={"host": host})
        assert answer.status_code == 404
        assert "token=" not in answer.text


def test_a_form_that_is_refused_leads_back(browser: Browser, ann: dict[str, str]) -> None:
    """Without a session, or with an old form, there is a page to go on from, never a dead end."""
    fields = browser.fields("/pages/login")
    headers = {"origin": browser.server.url}
    gone = browser.http.post("/pages/account/sessions/end", data=fields, headers=headers)
    assert gone.status_code == 303
    assert gone.headers["location"] == "/pages/login?return_to=%2Fpages%2Faccount"
    browser.sign_in(ann)
    old = browser.http.post("/pages/logout", data=fields, headers=headers)
    assert 'href="/pages/account"' in old.text
    assert 'href="/pages/account"' in browser.http.get("/pages/logout").text
    assert browser.http.get("/pages/logout").status_code == 405


def test_under_tls_nothing_of_a_page_travels_in_the_clear(tmp_path: Path) -> None:
    """HSTS on every page, and cookies that are `__Host-` and Secure: a sister host can neither plant nor read them."""
    settings: dict[str, Any] = {"issuer": "https://auth.example.test", "trusted_proxy": ("127.0.0.1/32", "::1/128")}
    with running_server(tmp_path, **settings) as server, server.client() as api:
        api.post("/signup", json=EVE)
        page = api.get("/pages/login")
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        browser = page.headers["set-cookie"]
        assert browser.startswith("__Host-gatepass-browser=")
        form = {"csrf": page.text.partition('name="csrf" value="')[2].partition('"')[0], **EVE}
        headers = {"origin": "https://auth.example.test", "cookie": browser.partition(";")[0]}
        answer = api.post("/pages/login", data=form, headers=headers)
        assert answer.status_code == 303
        for cookie in (browser, *answer.headers.get_list("set-cookie")):
            assert cookie.startswith("__Host-")
            assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
            assert "Domain" not in cookie
