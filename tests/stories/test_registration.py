"""Clients that register themselves: RFC 7591, RFC 7592, and the OIDF's modules about that, by their names."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, RelyingParty
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server
from tests.support.tls import self_signed

from gatepass.cli.main import main
from gatepass.jose import Key, jwt
from gatepass.server.features.oauth.registration.register import UNUSED_SECONDS, forget_unused
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

MINIMAL = {"client_name": "app", "redirect_uris": [CALLBACK]}


@pytest.fixture
def clock() -> SettableClock:
    """The server's clock, beginning at the time that commands have."""
    return SettableClock(time.time())


@pytest.fixture
def opened(tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server at which every client may register itself."""
    with running_server(tmp_path / "data", clock, dynamic_registration="open") as running:
        yield running


@pytest.fixture
def api(opened: RunningServer) -> Generator[httpx.Client]:
    """Anyone."""
    with opened.client() as api:
        yield api


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """The client's own site."""
    with ScriptedSite() as site:
        yield site


def register(api: httpx.Client, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Register a client; what is true of it then."""
    answer = api.post("/oauth/register", json=MINIMAL | said)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found


def refused(api: httpx.Client, **said: Any) -> tuple[int, str]:  # noqa: ANN401 - JSON
    """Try to."""
    answer = api.post("/oauth/register", json=MINIMAL | said)
    return answer.status_code, answer.json().get("error", "registered")


def bearer(client: dict[str, Any]) -> dict[str, str]:
    """The client's own proof."""
    return {"authorization": f"Bearer {client['registration_access_token']}"}


def test_a_client_registers_itself(api: httpx.Client, opened: RunningServer) -> None:
    """RFC 7591 §3.2.1: the answer says everything that is true now, usual values too."""
    client = register(api, contacts=["a@app.example.test"], unknown_member=1, scope="")
    assert client["client_id"].startswith("cli_")
    assert client["client_id_issued_at"] == int(opened.clock.now)
    assert client["client_secret"].startswith("gps_")
    assert client["client_secret_expires_at"] == 0
    assert client["token_endpoint_auth_method"] == "client_secret_basic"
    assert (client["grant_types"], client["response_types"]) == (["authorization_code"], ["code"])
    assert (client["application_type"], client["contacts"]) == ("web", ["a@app.example.test"])
    assert client["scope"] == "openid profile email offline_access"
    assert client["registration_client_uri"] == f"{opened.url}/oauth/register/{client['client_id']}"
    assert "unknown_member" not in client
    assert (
        api.get("/.well-known/openid-configuration").json()["registration_endpoint"] == f"{opened.url}/oauth/register"
    )


def test_it_signs_people_in_after_asking_them(api: httpx.Client, opened: RunningServer) -> None:
    """Nobody has looked at it, which people are told; then it gets its tokens like any other."""
    api.post("/signup", json=ANN)
    client = register(
        api, token_endpoint_auth_method="client_secret_post", grant_types=["authorization_code", "refresh_token"]
    )
    party = RelyingParty(client["client_id"], client["client_secret"], opened)
    with Browser(opened) as browser:
        flow = Flow(party, browser)
        consent = flow.submit(flow.follow(flow.ask()), **ANN)
        assert "No administrator here has checked this application" in consent.text
        tokens = flow.redeem(api, code_of(flow.submit(consent, decision="allow"))).json()
    assert jwt.peek(tokens["id_token"]).headers["alg"] == "RS256"
    assert party.refresh(api, tokens["refresh_token"])["access_token"]


def test_a_client_of_mcp(api: httpx.Client) -> None:
    """What clients of 2025 send: public, on loopback, no application type; grants that it cannot have are left out."""
    client = register(
        api,
        redirect_uris=["http://127.0.0.1:33418/callback", "http://localhost:33418/callback"],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        response_types=["code"],
    )
    assert client["application_type"] == "native"
    assert client["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in client


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://app.example.test/cb#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://app.example.test/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://[::::1]/cb"], "subject_type": "pairwise"}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"], "application_type": "native"}, "invalid_redirect_uri"),
        ({"redirect_uris": CALLBACK}, "invalid_client_metadata"),
        ({"client_name": "two\nlines"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret"}, "invalid_client_metadata"),
        ({"jwks_uri": "https://a.test/k", "jwks": {"keys": []}}, "invalid_client_metadata"),
        ({"jwks": {"keys": [Key.generate("ES256").to_jwk(private=True)]}}, "invalid_client_metadata"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}, "invalid_client_metadata"),
        ({"id_token_signed_response_alg": "none"}, "invalid_client_metadata"),
        ({"policy_uri": "javascript:alert(1)"}, "invalid_client_metadata"),
        ({"subject_type": "secret"}, "invalid_client_metadata"),
        ({"default_max_age": "soon"}, "invalid_client_metadata"),
    ],
)
def test_what_no_client_can_say(api: httpx.Client, said: dict[str, Any], error: str) -> None:
    """RFC 7591 §3.2.2: 400, and which of the two it is."""
    assert refused(api, **said) == (400, error)


def test_what_only_the_operator_decides(
    api: httpx.Client, opened: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mass assignment (CVE-2021-27582): members of a body that are ours are not read."""
    sent = {
        "client_id": "cli_chosen",
        "id": "cli_chosen",
        "consent": "never",
        "rules": {"consent": "never", "may_impersonate": True},
        "origin": "cli",
        "audience": ["https://api.test"],
        "roles": ["admin"],
        "scope": "openid gatepass:account admin:write roles",
        "client_secret": "chosen",
        "disabled_at": None,
        "created_at": 1,
    }
    client = register(api, **sent)
    assert client["client_id"] != "cli_chosen"
    assert client["scope"] == "openid"
    capsys.readouterr()
    main(["client", "show", client["client_id"], "--json", *opened.place])
    kept = json.loads(capsys.readouterr().out)
    assert (kept["consent"], kept["origin"], kept["audience"], "may_impersonate" in kept) == (
        "first-time",
        "dcr",
        [],
        False,
    )


def test_read_replace_delete(api: httpx.Client, opened: RunningServer, clock: SettableClock) -> None:
    """RFC 7592: by its own token alone; what is not said again is gone, and deleting ends everything."""
    client, other = register(api, contacts=["a@app.example.test"]), register(api)
    path = f"/oauth/register/{client['client_id']}"
    read = api.get(path, headers=bearer(client))
    assert read.json() == {name: value for name, value in client.items() if name != "client_secret"}
    for headers, where in (({}, path), (bearer(other), path), (bearer(client), "/oauth/register/cli_none")):
        wrong = api.get(where, headers=headers)
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_token")
        assert wrong.headers["www-authenticate"].startswith("Bearer")
        assert api.delete(where, headers=headers).status_code == 401
    said = {"client_id": client["client_id"], "client_name": "shop", "redirect_uris": ["https://app.example.test/cb2"]}
    changed = api.put(path, headers=bearer(client), json=said | {"client_secret": client["client_secret"]}).json()
    assert (changed["client_name"], changed["redirect_uris"]) == ("shop", said["redirect_uris"])
    assert {"contacts", "client_secret"}.isdisjoint(changed)
    for wrong_body in ({"client_id": other["client_id"]}, {"client_secret": "wrong"}):
        assert api.put(path, headers=bearer(client), json=said | wrong_body).status_code == 400
    basic = (client["client_id"], client["client_secret"])
    assert api.post("/oauth/introspect", data={"token": "x"}, auth=basic).status_code == 200
    assert api.delete(path, headers=bearer(client)).status_code == 204
    assert api.get(path, headers=bearer(client)).status_code == 401
    clock.advance(2)
    assert api.post("/oauth/introspect", data={"token": "x"}, auth=basic).status_code == 401


def test_a_token_lets_so_many_in(tmp_path: Path, clock: SettableClock, capsys: pytest.CaptureFixture[str]) -> None:
    """`token`: nobody without one, each as often as it says and as long, and a refused registration uses up nothing."""
    with running_server(tmp_path / "data", clock, dynamic_registration="token") as server, server.client() as api:
        assert refused(api) == (401, "invalid_token")
        capsys.readouterr()
        main(["client", "registration-token", "--uses", "2", "--expires", "1h", "--json", *server.place])
        token = json.loads(capsys.readouterr().out)["registration_token"]
        api.headers["authorization"] = f"Bearer {token}"
        assert refused(api, redirect_uris=[]) == (400, "invalid_redirect_uri")
        assert [refused(api)[0] for _ in range(3)] == [201, 201, 401]
        main(["client", "registration-token", *server.place])
        api.headers["authorization"] = f"Bearer {capsys.readouterr().out.strip()}"
        clock.advance(3_700)
        assert refused(api) == (401, "invalid_token")


def test_registration_is_off(tmp_path: Path, clock: SettableClock) -> None:
    """By default nobody registers, and the metadata says nothing of it."""
    with running_server(tmp_path / "data", clock) as server, server.client() as api:
        assert api.post("/oauth/register", json=MINIMAL).status_code == 403
        assert "registration_endpoint" not in api.get("/.well-known/openid-configuration").json()


def test_anyones_registrations_have_a_limit(api: httpx.Client, opened: RunningServer, clock: SettableClock) -> None:
    """So many from one network within an hour; and who is used by nobody is forgotten after a month."""
    statuses = [refused(api)[0] for _ in range(22)]
    assert statuses == [201] * 20 + [429] * 2
    clock.advance(3_700)
    late = register(api)
    clock.advance(UNUSED_SECONDS - 10)
    used = RelyingParty(late["client_id"], "", opened)
    used.write("UPDATE clients SET used_at = 1 WHERE id = ?1", used.id)
    assert used.read("SELECT COUNT(*) FROM clients") == 21

    async def forget() -> None:
        async with open_store(opened.settings, clock) as (database, _):
            await database.transaction(forget_unused)

    asyncio.run(forget())
    assert used.read("SELECT COUNT(*) FROM clients WHERE removed_at IS NULL") == 1


def test_oidcc_registration_of_uris(api: httpx.Client, site: ScriptedSite) -> None:
    """`oidcc-registration-logo-uri`, `-policy-uri`, `-tos-uri`, `-jwks-uri`: kept, and none is fetched."""
    said = {name: f"{site.url}/{name}" for name in ("logo_uri", "policy_uri", "tos_uri", "client_uri", "jwks_uri")}
    client = register(api, **said)
    assert {name: client[name] for name in said} == said
    assert site.asked == []


def test_oidcc_registration_sector_uri(api: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`oidcc-registration-sector-uri`, `-sector-bad`: the document there lists every redirect URI, or it is none."""
    uris = ["https://a.example.test/cb", "https://b.example.test/cb"]
    said = {"redirect_uris": uris, "subject_type": "pairwise"}
    assert refused(api, **said) == (400, "invalid_client_metadata")
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    with ScriptedSite((cert, key)) as site:
        good, bad = site.put("/good", uris), site.put("/bad", uris[:1])
        for uri in (bad, f"{site.url}/none", "https://10.0.0.1/sector"):
            assert refused(api, **said, sector_identifier_uri=uri) == (400, "invalid_client_metadata")
        assert register(api, **said, sector_identifier_uri=good)["subject_type"] == "pairwise"


def test_oidcc_redirect_uri_regfrag(api: httpx.Client) -> None:
    """`oidcc-redirect-uri-regfrag`: a redirect URI with a fragment is not registered."""
    assert refused(api, redirect_uris=[f"{CALLBACK}#foobar"]) == (400, "invalid_redirect_uri")


def test_oidcc_redirect_uri_query(api: httpx.Client, opened: RunningServer) -> None:
    """`oidcc-redirect-uri-query-OK`, `-added`, `-mismatch`: a query is part of it, byte for byte."""
    client = register(api, redirect_uris=[f"{CALLBACK}?foo=bar"])
    with Browser(opened) as browser:
        flow = Flow(RelyingParty(client["client_id"], client["client_secret"], opened), browser)
        assert flow.ask(redirect_uri=f"{CALLBACK}?foo=bar").status_code == 303
        for wrong in (CALLBACK, f"{CALLBACK}?foo=bar&bar=foo", f"{CALLBACK}?bar=foo"):
            assert flow.ask(redirect_uri=wrong).status_code == 400
