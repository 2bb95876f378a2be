"""APIs that tokens are for: added by the operator, named by clients as resources (RFC 8707), agreed to by people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer

FILES = "https://files.example.test/mcp"
NOTES = "https://notes.example.test"


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """Ann's browser, signed in."""
    api.post("/signup", json=ANN)
    with Browser(server) as browser:
        browser.sign_in(ANN)
        yield browser


def command(server: RunningServer, capsys: pytest.CaptureFixture[str], *words: str) -> Any:  # noqa: ANN401 - JSON
    """Run `gatepass api …` with --json."""
    capsys.readouterr()
    main(["api", *words, "--json", *server.place])
    return json.loads(capsys.readouterr().out)


def test_the_operator_manages_apis(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Added, listed, shown, changed and removed; what no token can be for is refused."""
    added = command(server, capsys, "add", FILES, "--scope", "files:read=Read your files", "--public")
    assert added == {
        "audience": FILES,
        "name": FILES,
        "scopes": [{"name": "files:read", "text": "Read your files"}],
        "public": True,
    }
    assert command(server, capsys, "list") == [added]
    assert command(server, capsys, "add", FILES, "--name", "Files")["public"] is False
    assert command(server, capsys, "show", FILES)["name"] == "Files"
    main(["api", "remove", FILES, *server.place])
    assert command(server, capsys, "list") == []
    for wrong in (("https://a b",), ("https://a#b",), (FILES, "--scope", "gatepass:account")):
        with pytest.raises(SystemExit):
            main(["api", "add", *wrong, *server.place])


def test_a_token_is_for_the_resource_that_was_named(
    server: RunningServer, api: httpx.Client, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """People read what each scope means; `aud` is what was asked for, and what is asked for at the token endpoint."""
    command(server, capsys, "add", FILES, "--scope", "files:read=Read your files")
    party = add_relying_party(
        server, audience=(FILES, NOTES), scope=("openid", "files:read", "notes"), rules=ClientRules()
    )
    flow = Flow(party, browser)
    page = flow.follow(flow.ask(scope="openid files:read", resource=FILES))
    assert "Read your files" in page.text
    assert FILES in page.text
    tokens = flow.redeem(api, code_of(flow.submit(page, decision="allow"))).json()
    assert jwt.peek(tokens["access_token"]).claims["aud"] == FILES
    narrower = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "resource": NOTES}
    assert api.post("/oauth/token", data=narrower | party.credentials).json()["error"] == "invalid_target"


def test_a_scope_goes_with_its_api(server: RunningServer, browser: Browser, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking one API for another's scope is a mistake of the client's that would show as a right."""
    command(server, capsys, "add", FILES, "--scope", "files:read")
    party = add_relying_party(server, audience=(FILES, NOTES), scope=("files:read",))
    assert answer_of(Flow(party, browser).ask(scope="files:read", resource=NOTES))["error"] == "invalid_scope"


def test_one_slash_after_a_host_is_forgiven(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """What is registered goes into `aud`; a path is compared byte for byte."""
    party = add_relying_party(server, audience=(NOTES, FILES), scope=())
    flow = Flow(party, browser)
    tokens = flow.redeem(api, code_of(flow.ask(scope=None, resource=f"{NOTES}/"))).json()
    assert jwt.peek(tokens["access_token"]).claims["aud"] == NOTES
    assert answer_of(Flow(party, browser).ask(scope=None, resource=f"{FILES}/"))["error"] == "invalid_target"


def test_one_slash_after_a_host_is_forgiven_wherever_a_resource_is_named(
    server: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """Clients that have it from a URL library send the same spelling to both endpoints (MCP), and when they refresh."""
    grants = ("authorization_code", "refresh_token", "client_credentials")
    party = add_relying_party(server, audience=(NOTES, FILES), scope=(), grant_types=grants)
    flow = Flow(party, browser)
    first = flow.redeem(api, code_of(flow.ask(scope=None, resource=f"{NOTES}/")), resource=f"{NOTES}/")
    refresh = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
    own = {"grant_type": "client_credentials"}
    others = [
        api.post("/oauth/token", data={"resource": f"{NOTES}/", **form, **party.credentials}) for form in (refresh, own)
    ]
    for answer in (first, *others):
        assert answer.status_code == 200, answer.text
        assert jwt.peek(answer.json()["access_token"]).claims["aud"] == NOTES
    refused = api.post("/oauth/token", data={"resource": f"{FILES}/", **own, **party.credentials})
    assert refused.json()["error"] == "invalid_target"


@pytest.mark.parametrize(
    "resource", ["http://[", "http://[::1", "https://\u2100.example/", "https://a\u2024b", "urn:", "//x"]
)
def test_a_resource_that_is_no_url(server: RunningServer, api: httpx.Client, browser: Browser, resource: str) -> None:
    """What URL parsers raise at is refused as every other that the client may not ask for (RFC 8707 §2)."""
    grants = ("authorization_code", "urn:ietf:params:oauth:grant-type:device_code")
    party = add_relying_party(server, audience=(NOTES,), scope=("openid",), grant_types=grants)
    flow = Flow(party, browser)
    assert answer_of(flow.ask(scope="openid", resource=resource))["error"] == "invalid_target"
    pushed = api.post("/oauth/par", data=flow.parameters(scope="openid", resource=resource) | party.credentials)
    device = api.post("/oauth/device", data={"resource": resource, **party.credentials})
    for answer in (pushed, device):
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


def test_a_public_api_is_open_to_clients_that_registered_themselves(
    server: RunningServer, api: httpx.Client, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open it, and they may ask; close it, and what they have is dead: the access token, and the next refresh."""
    party = add_relying_party(server, scope=("openid",), rules=ClientRules(), origin="dcr")

    def ask() -> Any:  # noqa: ANN401 - an answer
        flow = Flow(party, browser)
        return flow, flow.follow(flow.ask(scope="openid files:read", resource=FILES))

    assert "files:read" not in ask()[1].text
    command(server, capsys, "add", FILES, "--scope", "files:read", "--public")
    eventually(lambda: "files:read" in ask()[1].text)
    flow, page = ask()
    tokens = flow.redeem(api, code_of(flow.submit(page, decision="allow"))).json()
    assert tokens["scope"] == "openid files:read"
    assert party.refresh(api, tokens["refresh_token"])["scope"] == "openid files:read"
    main(["api", "remove", FILES, *server.place])
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    eventually(lambda: api.post("/oauth/token", data=form).json().get("error") == "invalid_target")


def test_a_client_that_asks_people_is_no_way_around_asking_them(
    server: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """`POST /login` with the `client_id` of somebody else's application would be a password grant past consent."""
    del browser
    theirs = add_relying_party(server, rules=ClientRules())
    refused = api.post("/login", json={**ANN, "client_id": theirs.id})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_client")
    ours = add_relying_party(server, rules=ClientRules(consent="never"))
    assert api.post("/login", json={**ANN, "client_id": ours.id}).status_code == 200
