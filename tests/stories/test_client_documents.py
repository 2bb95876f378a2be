"""Clients that are the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_device_grant import ask
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, RelyingParty
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server
from tests.support.tls import self_signed

from gatepass.cli.main import main
from gatepass.jose import Key, KeySet, jwt
from gatepass.server.domain.sessions.client_document_state import GONE_SECONDS
from gatepass.server.domain.sessions.client_documents import is_document_url
from gatepass.server.domain.sessions.device_code import GRANT_TYPE as DEVICE_CODE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

PATH = "/client.json"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ScriptedSite]:
    """The client's own site, by TLS."""
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    with ScriptedSite((cert, key)) as site:
        yield site


@pytest.fixture
def clock() -> SettableClock:
    """The server's clock."""
    return SettableClock()


@pytest.fixture
def opened(tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server that takes any document."""
    with running_server(tmp_path / "data", clock, client_id_metadata_documents="open") as running:
        yield running


@pytest.fixture
def api(opened: RunningServer) -> Generator[httpx.Client]:
    """Anyone, and Ann's account."""
    with opened.client() as api:
        api.post("/signup", json=ANN)
        yield api


@pytest.fixture
def browser(opened: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """A browser in which Ann has signed in."""
    assert api.get("/health").status_code == 200
    with Browser(opened) as browser:
        assert browser.sign_in(ANN).status_code == 303
        yield browser


def publish(site: ScriptedSite, *, headers: dict[str, str] | None = None, **said: Any) -> str:  # noqa: ANN401 - JSON
    """Publish a document; the client."""
    usual = {"client_id": site.url + PATH, "client_name": "Notes", "redirect_uris": [CALLBACK]}
    usual["grant_types"] = ["authorization_code", "refresh_token", "urn:unknown"]
    return site.put(PATH, {name: value for name, value in (usual | said).items() if value is not None}, headers=headers)


def flow_of(client_id: str, opened: RunningServer, browser: Browser) -> Flow:
    """A request of the client."""
    return Flow(RelyingParty(client_id, "", opened), browser)


def first_page(client_id: str, opened: RunningServer, browser: Browser) -> str:
    """What a request of the client leads to."""
    flow = flow_of(client_id, opened, browser)
    return flow.follow(flow.ask()).text


def test_a_document_signs_people_in(
    site: ScriptedSite, opened: RunningServer, api: httpx.Client, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is fetched at the first request and not while it is fresh; the page shows both hosts."""
    client = publish(site)
    flow = flow_of(client, opened, browser)
    consent = flow.follow(flow.ask())
    assert "Notes wants to access your account" in consent.text
    assert "No administrator here has checked this application" in consent.text
    assert "app.example.test" in consent.text
    assert f"localhost:{site.port}" in consent.text
    tokens = flow.redeem(api, code_of(flow.submit(consent, decision="allow"))).json()
    assert jwt.peek(tokens["id_token"]).claims["aud"] == client
    assert flow.party.refresh(api, tokens["refresh_token"])["access_token"]
    assert site.times(PATH) == 1
    assert api.get("/.well-known/oauth-authorization-server").json()["client_id_metadata_document_supported"] is True
    main(["client", "list", "--json", *opened.place])
    assert client in capsys.readouterr().out


def test_a_device_says_whose_document_it_is(
    site: ScriptedSite, opened: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """Its page shows the document's host as the page of consent does: the name in it is only what the client says."""
    client = publish(site, grant_types=["authorization_code", DEVICE_CODE, "refresh_token"])
    shown = ask(api, RelyingParty(client, "", opened), scope="openid")
    page = browser.post("/pages/device", user_code=shown["user_code"])
    assert f"localhost:{site.port}" in page.text
    assert "No administrator here has checked this application" in page.text


def test_a_document_is_fetched_when_it_is_pushed(site: ScriptedSite, opened: RunningServer, api: httpx.Client) -> None:
    """At PAR too (RFC 9126), where a public client is just named."""
    client = publish(site)
    with Browser(opened) as browser:
        asked = flow_of(client, opened, browser).parameters()
    assert api.post("/oauth/par", data=asked).status_code == 201


def test_a_client_that_signs(site: ScriptedSite, opened: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """`private_key_jwt` with keys in the document; its bare name is not enough then."""
    key = Key.generate("ES256")
    client = publish(site, token_endpoint_auth_method="private_key_jwt", jwks=KeySet([key.public()]).to_jwks())
    flow = flow_of(client, opened, browser)
    code = code_of(flow.submit(flow.follow(flow.ask()), decision="allow"))
    assert flow.redeem(api, code).status_code == 401
    claims = {"iss": client, "sub": client, "aud": opened.url, "jti": "1", "exp": int(opened.clock.now) + 60}
    signed: dict[str, Any] = {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.sign(claims, key),
    }
    assert flow.redeem(api, code, **signed).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        {"client_id": "https://other.example.test/client.json"},
        {"client_name": None},
        {"redirect_uris": None},
        {"redirect_uris": ["http://app.example.test/cb"]},
        {"client_secret": "shared"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"contacts": ["x" * 6_000]},
        {"headers": {"Content-Type": "text/html"}},
    ],
)
def test_documents_that_are_none(
    site: ScriptedSite, opened: RunningServer, browser: Browser, said: dict[str, Any]
) -> None:
    """They are no client, and nothing of that is remembered: the next request looks again."""
    client = publish(site, **said)
    for _ in range(2):
        assert "The application is not known here." in first_page(client, opened, browser)
    assert site.times(PATH) == 2
    assert "Notes wants to access" in first_page(publish(site), opened, browser)


def test_answers_that_are_no_documents(site: ScriptedSite, opened: RunningServer, browser: Browser) -> None:
    """Only 200 is one: no redirect is followed, and no duplicate name is read in two ways."""
    client = publish(site)
    site.answers["/real"] = site.answers[PATH]
    site.put(PATH, b"", status=302, headers={"Location": f"{site.url}/real"})
    assert "not known here" in first_page(client, opened, browser)
    twice = f'{{"client_id": "{client}", "client_name": "a", "client_name": "b", "redirect_uris": ["{CALLBACK}"]}}'
    site.put(PATH, twice.encode())
    assert "not known here" in first_page(client, opened, browser)
    assert site.times("/real") == 0


@pytest.mark.parametrize(
    ("client_id", "is_one"),
    [
        ("https://app.example.test/client", True),
        ("https://app.example.test:8443/a/b?v=1", True),
        ("https://app.example.test", False),
        ("http://app.example.test/client", False),
        ("HTTPS://app.example.test/client", False),
        ("https://app.example.test/client#x", False),
        ("https://app.example.test/client#", False),
        ("https://me@app.example.test/client", False),
        ("https://@app.example.test/client", False),
        ("https://app.example.test/a/../client", False),
        ("https://app.example.test/./client", False),
        ("https://app.example.test/%2e%2E/client", False),
        ("https://app.example.test\\client", False),
        ("https://app.example.test/" + "a" * 512, False),
        ("https://ä.test/client", False),
        ("cli_06h22s0aimn4v63i4hh4dco5ng", False),
        ("", False),
    ],
)
def test_which_identifiers_are_urls(client_id: str, is_one: bool) -> None:  # noqa: FBT001 - a column
    """One spelling each, and nothing that two parsers could read in two ways."""
    assert is_document_url(client_id) is is_one


def test_only_hosts_that_are_listed(site: ScriptedSite, tmp_path: Path) -> None:
    """`listed` asks no other host, and `off` none."""
    client = publish(site)
    for settings, is_known in (
        ({"client_id_metadata_documents": "off"}, False),
        ({"client_id_metadata_documents": "listed", "client_id_metadata_hosts": ["app.example.test"]}, False),
        ({"client_id_metadata_documents": "listed", "client_id_metadata_hosts": ["localhost"]}, True),
    ):
        before = site.times(PATH)
        folder = tmp_path / str(before) / str(is_known) / settings["client_id_metadata_documents"]  # type: ignore[operator]
        with running_server(folder, **settings) as server, Browser(server) as browser:
            assert ("not known here" not in first_page(client, server, browser)) is is_known
        assert site.times(PATH) == before + is_known


def test_what_changes_asks_again(
    site: ScriptedSite, opened: RunningServer, browser: Browser, clock: SettableClock
) -> None:
    """Another name or another key: it may be another client, so people are asked anew."""
    client = publish(site, headers={"Cache-Control": "max-age=600"})
    flow = flow_of(client, opened, browser)
    code_of(flow.submit(flow.follow(flow.ask()), decision="allow"))
    code_of(flow_of(client, opened, browser).ask())
    key = KeySet([Key.generate("ES256").public()]).to_jwks()
    for said in (
        {"client_name": "Bank"},
        {"client_name": "Bank", "jwks": key, "token_endpoint_auth_method": "private_key_jwt"},
    ):
        publish(site, **said)
        clock.advance(601)
        forget_what_is_known(opened)
        flow = flow_of(client, opened, browser)
        consent = flow.follow(flow.ask())
        assert "wants to access your account" in consent.text
        code_of(flow.submit(consent, decision="allow"))
        code_of(flow_of(client, opened, browser).ask())


def test_a_document_that_is_gone(
    site: ScriptedSite, opened: RunningServer, api: httpx.Client, browser: Browser, clock: SettableClock
) -> None:
    """The client goes on for a day without; then what it holds ends."""
    client = publish(site)
    flow = flow_of(client, opened, browser)
    tokens = flow.redeem(api, code_of(flow.submit(flow.follow(flow.ask()), decision="allow"))).json()
    site.answers.clear()
    clock.advance(301)
    forget_what_is_known(opened)
    tokens = flow.party.refresh(api, tokens["refresh_token"])
    clock.advance(GONE_SECONDS)
    forget_what_is_known(opened)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client}
    assert api.post("/oauth/token", data=refresh).json()["error"] == "invalid_client"
    assert flow.party.read("SELECT COUNT(*) FROM grants WHERE ended_at IS NULL AND client_id = ?1", client) == 0
    publish(site)
    assert api.post("/oauth/token", data=refresh).json()["error"] == "invalid_grant"


def test_a_removed_client_begins_anew(
    site: ScriptedSite, opened: RunningServer, browser: Browser, clock: SettableClock
) -> None:
    """`client remove` ends what it holds; the next request fetches the document, and people are asked again."""
    client = publish(site)
    flow = flow_of(client, opened, browser)
    code_of(flow.submit(flow.follow(flow.ask()), decision="allow"))
    main(["client", "remove", client, *opened.place])
    forget_what_is_known(opened)
    assert "Notes wants to access your account" in first_page(client, opened, browser)
    main(["client", "disable", client, *opened.place])
    forget_what_is_known(opened)
    clock.advance(301)
    assert "not known here" in first_page(client, opened, browser)


def test_documents_have_a_limit(site: ScriptedSite, opened: RunningServer) -> None:
    """Failures are not remembered, so requests are counted, by host and by network."""
    with opened.client() as api:
        asked = {"client_id": f"{site.url}/none", "grant_type": "refresh_token"}
        statuses = [api.post("/oauth/token", data=asked).status_code for _ in range(61)]
    assert statuses == [401] * 60 + [429]


def forget_what_is_known(opened: RunningServer) -> None:
    """A client is remembered for a second of real time, or until the store changes: change it."""
    party = RelyingParty("", "", opened)
    party.write("UPDATE clients SET used_at = used_at")
    time.sleep(1.1)  # there is nothing to see of what a process remembers
