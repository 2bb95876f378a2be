"""What a server is called: other servers at its host, other names of its machine, spellings, and no name at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.factors import bearer
from tests.support.pages import Browser
from tests.support.server import ANN, running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.web.cookies import cookie_name

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import RunningServer


def test_two_servers_on_one_host_leave_each_other_alone(tmp_path: Path) -> None:
    """One browser is signed in at both, in cookie mode and on pages: cookies know no ports, so their names differ."""
    with running_server(tmp_path / "one") as one, running_server(tmp_path / "two") as two, httpx.Client() as browser:
        for server in (one, two):
            ours = {"origin": server.url, "gatepass-request": "1"}
            assert browser.post(f"{server.url}/signup", json=ANN).status_code == 201
            assert browser.post(f"{server.url}/login", json=ANN | {"cookie": True}, headers=ours).status_code == 200
        for server in (one, two, one):
            ours = {"origin": server.url, "gatepass-request": "1"}
            assert browser.post(f"{server.url}/refresh", headers=ours).status_code == 200
            assert ANN["email"] in browser.get(f"{server.url}/pages/account").text
        assert (
            browser.post(f"{two.url}/logout", headers={"origin": two.url, "gatepass-request": "1"}).status_code == 204
        )
        ours = {"origin": one.url, "gatepass-request": "1"}
        assert browser.post(f"{one.url}/refresh", headers=ours).status_code == 200


def test_a_cookie_is_named_for_its_issuer_where_another_may_be_beside_it() -> None:
    """By port, by path, and on this machine; an issuer that has its host to itself has the plain name."""
    alone = load(flags={"issuer": "https://auth.example.com", "tls_cert": __file__, "tls_key": __file__})
    assert cookie_name("gatepass-refresh", alone) == "__Host-gatepass-refresh"
    beside = ("https://auth.example.com/a", "https://auth.example.com/b", "https://auth.example.com:8443")
    names = {
        cookie_name("gatepass-refresh", load(flags={"issuer": issuer, "tls_cert": __file__, "tls_key": __file__}))
        for issuer in (*beside, "https://localhost:8443", "https://localhost")
    }
    assert len(names) == 5
    assert all(name.startswith("__Host-gatepass-refresh-") for name in names)


def test_another_name_of_this_machine_leads_to_the_issuers(server: RunningServer, api: httpx.Client) -> None:
    """A page at 127.0.0.1 leads to the same one at localhost; what is called there all the same says what to use."""
    port = server.settings.port
    there = f"127.0.0.1:{port}"
    for name in (there, f"[::1]:{port}"):
        answer = api.get("/pages/login?return_to=%2Fpages%2Faccount", headers={"host": name})
        assert answer.status_code == 303
        assert answer.headers["location"] == f"http://localhost:{port}/pages/login?return_to=%2Fpages%2Faccount"
    assert api.get("/pages/login", headers={"host": f"localhost:{port}"}).status_code == 200
    for name in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", "127.0.0.1:x", "[::1", ""):
        assert api.get("/pages/login", headers={"host": name}).status_code != 303
    form = api.post("/pages/login", data=ANN, headers={"host": there, "origin": f"http://{there}"})
    assert form.status_code == 403
    assert server.url in form.text
    call = api.post("/login", json=ANN | {"cookie": True}, headers={"host": there, "origin": f"http://{there}"}).json()
    assert (call["code"], server.url in call["detail"]) == ("cross_site_request", True)


@pytest.mark.parametrize(
    ("issuer", "plain"),
    [
        ("https://Auth.Example.com", "https://auth.example.com"),
        ("https://auth.example.com:443", "https://auth.example.com"),
        ("https://auth.example.com:443/Path", "https://auth.example.com/Path"),
        ("http://LOCALHOST:8000", "http://localhost:8000"),
        ("http://localhost:80", "http://localhost"),
        ("http://[::1]:080", "http://[::1]"),
        ("https://auth.example.com:", "https://auth.example.com"),
    ],
)
def test_an_issuer_is_spelled_as_browsers_spell_it(issuer: str, plain: str) -> None:
    """Else no Origin would be its, and no token's `iss` what others expect: the start says how to write it."""
    with pytest.raises(StartupError) as refused:
        load(flags={"issuer": issuer, "tls_cert": __file__, "tls_key": __file__})
    assert plain in str(refused.value.hint)


@pytest.mark.parametrize("setting", ["browser_origins", "cors_origins"])
def test_an_origin_that_no_browser_sends_is_refused(setting: str) -> None:
    """A port that goes without saying is never said, and one that is none is not an error of ours."""
    for origin in ("https://app.example.com:443", "https://app.example.com:99999", "https://[:::]"):
        with pytest.raises(StartupError, match="is not an origin"):
            load(flags={setting: (origin,)})


def test_an_address_as_issuer_has_no_passkeys_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Browsers make passkeys for names only: nobody is offered one, every call says why, and all else works."""
    with running_server(tmp_path, host="127.0.0.1", port=0, issuer="http://127.0.0.1:1") as server:
        assert "there are no passkeys" in "".join(capsys.readouterr())
        with httpx.Client(base_url=f"http://127.0.0.1:{server.settings.port}") as api:
            assert api.post("/signup", json=ANN).status_code == 201
            token = api.post("/login", json=ANN).json()["token"]
            for path in ("/login/passkey/options", "/account/passkeys/options", "/reauthenticate/options"):
                answer = api.post(path, json={}, headers=bearer(token))
                assert (answer.status_code, answer.json()["code"]) == (501, "passkeys_unavailable"), path
            offered = api.post("/signup/passkey/options", json={"email": "bob@example.test"})
            assert offered.json()["code"] == "passkeys_unavailable"
            page = api.get("/pages/login")
            assert page.status_code == 200
            assert "passkey" not in page.text.lower().replace("/static/passkeys.js", "")
            assert "signup/passkey" not in api.get("/pages/signup").text


def test_the_page_of_factors_says_why_there_are_no_passkeys(tmp_path: Path) -> None:
    """The person reads the reason where the button would be."""
    with running_server(tmp_path, host="127.0.0.1") as first:
        port = first.settings.port
    with running_server(tmp_path, host="127.0.0.1", port=port, issuer=f"http://127.0.0.1:{port}") as server:
        browser = Browser(server)
        browser.http.base_url = httpx.URL(server.url)
        with browser:
            browser.http.post("/signup", json=ANN)
            assert browser.sign_in(ANN).status_code == 303
            assert "this site uses an IP address" in browser.get("/pages/account/factors").text
