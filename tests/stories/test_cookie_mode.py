"""A browser keeps the refresh token in a cookie, and other sites cannot make it use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


@pytest.fixture
def page(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> Generator[httpx.Client]:
    """A client that behaves as a page of the issuer's own site: it keeps cookies, and sends what a page sends."""
    with server.client(headers={"origin": server.url, "gatepass-request": "1"}) as client:
        yield client


def test_cookie_mode_hands_the_refresh_token_to_the_browser_only(page: httpx.Client, server: RunningServer) -> None:
    """The body holds no refresh token; the cookie is HttpOnly, SameSite=Strict, for the whole host, for its life."""
    answer = page.post("/login", json=ANN | {"cookie": True})
    assert set(answer.json()) == {"token", "token_type", "expires_in"}
    name_and_value, *attributes = answer.headers.get_list("set-cookie")[0].split("; ")
    assert name_and_value.startswith(f"{server.cookie()}=gpr_")
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        "samesite=strict",
        "path=/",
        "max-age=7776000",
    }


def test_under_https_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    """With an https issuer its name begins with `__Host-`, and it is Secure; HSTS is on."""
    with running_server(tmp_path, issuer="https://auth.example.test") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        api.post("/signup", json=ANN)
        answer = api.post("/login", json=ANN | {"cookie": True})
    assert answer.headers["set-cookie"].startswith("__Host-gatepass-refresh=gpr_")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert "Domain" not in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_the_cookie_refreshes_and_logs_out(page: httpx.Client, server: RunningServer) -> None:
    """The cookie is all that a refresh and a logout need; after the logout it is gone, and dead."""
    page.post("/login", json=ANN | {"cookie": True})
    kept = page.cookies[server.cookie()]
    answer = page.post("/refresh")
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    assert page.get("/me", headers={"authorization": f"Bearer {answer.json()['token']}"}).status_code == 200
    assert page.post("/logout").status_code == 204
    assert server.cookie() not in page.cookies
    page.cookies.set(server.cookie(), kept)
    assert page.post("/refresh").json()["code"] == "session_ended"


@pytest.mark.parametrize("call", ["/refresh", "/logout", "/logout/all"])
@pytest.mark.parametrize(
    "headers",
    [
        {"gatepass-request": "1"},
        {"gatepass-request": "1", "origin": "https://evil.example"},
        {"gatepass-request": "1", "origin": "null"},
        {"gatepass-request": "0"},
        {"gatepass-request": ""},
    ],
)
def test_a_cookie_alone_does_nothing(
    server: RunningServer, page: httpx.Client, call: str, headers: dict[str, str]
) -> None:
    """Without the header, or without the Origin of a page that we know, a call that bears the cookie is refused."""
    page.post("/login", json=ANN | {"cookie": True})
    origin = {} if headers["gatepass-request"] == "1" else {"origin": server.url}
    with server.client(cookies={server.cookie(): page.cookies[server.cookie()]}) as other_site:
        answer = other_site.post(call, headers=headers | origin)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert page.post("/refresh").status_code == 200


def test_another_sites_page_cannot_sign_a_browser_in(api: httpx.Client, ann: dict[str, str]) -> None:
    """Login CSRF: a cookie login with a foreign Origin is refused, and plants nothing."""
    answer = api.post("/login", json=ann | {"cookie": True}, headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
    assert "set-cookie" not in answer.headers


def test_a_cookie_token_is_refused_in_a_body_and_the_reverse(page: httpx.Client, server: RunningServer) -> None:
    """Neither kind of refresh token works the other way: `invalid_refresh_token`."""
    in_body = page.post("/login", json=ANN).json()["refresh_token"]
    page.post("/login", json=ANN | {"cookie": True})
    in_cookie = page.cookies[server.cookie()]
    assert page.post("/refresh", json={"refresh_token": in_cookie}).json()["code"] == "invalid_refresh_token"
    page.cookies.set(server.cookie(), in_body, domain="localhost.local")
    page.cookies.clear()
    page.cookies.set(server.cookie(), in_body)
    assert page.post("/refresh").json()["code"] == "invalid_refresh_token"


def test_a_refused_refresh_leaves_the_cookie_alone(page: httpx.Client, server: RunningServer) -> None:
    """A late refusal must not delete the cookie of a newer sign-in."""
    page.post("/login", json=ANN | {"cookie": True})
    page.cookies.set(server.cookie(), "gpr_nonsense")
    page.cookies.clear()
    page.cookies.set(server.cookie(), "gpr_nonsense")
    answer = page.post("/refresh")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_origins_of_the_same_site_can_be_listed(tmp_path: Path) -> None:
    """A listed origin may call with the cookie, and CORS lets its pages read the answer; others get no such header."""
    ours, foreign = "http://app.localhost:3000", "http://evil.localhost:3000"
    with running_server(tmp_path, browser_origins=(ours,)) as server, server.client() as api:
        api.post("/signup", json=ANN)
        asked = api.options("/refresh", headers={"origin": ours, "access-control-request-method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == ours
        assert asked.headers["access-control-allow-credentials"] == "true"
        assert "Gatepass-Request" in asked.headers["access-control-allow-headers"]
        headers = {"origin": ours, "gatepass-request": "1"}
        assert api.post("/login", json=ANN | {"cookie": True}, headers=headers).status_code == 200
        assert api.post("/refresh", headers=headers).status_code == 200
        refused = api.post("/refresh", headers=headers | {"origin": foreign})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers
    assert refused.headers["vary"] == "Origin"


def test_cors_origins_may_call_with_a_bearer_token_only(tmp_path: Path) -> None:
    """`cors_origins` get no credentials: their pages can use tokens and never the cookie."""
    theirs = "https://partner.example"
    with running_server(tmp_path, cors_origins=(theirs,)) as server, server.client() as api:
        answer = api.get("/me", headers={"origin": theirs})
        assert answer.headers["access-control-allow-origin"] == theirs
        assert "access-control-allow-credentials" not in answer.headers
        cookie = api.post(
            "/refresh", headers={"origin": theirs, "gatepass-request": "1", "cookie": f"{server.cookie()}=x"}
        )
    assert cookie.json()["code"] == "cross_site_request"
