"""Authorization responses as signed tokens (JARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_pushed_requests import browser as browser  # noqa: PLC0414 - a fixture
from tests.support.authorization import Flow, answer_of, form_of
from tests.support.relying_party import CALLBACK, add_relying_party

from gatepass.jose import KeySet, jwt
from gatepass.jose.errors import JoseError
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.tokens import id_token

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser
    from tests.support.server import RunningServer


def keys_of(api: httpx.Client) -> KeySet:
    """What the issuer publishes."""
    return KeySet.from_jwks(api.get("/.well-known/jwks.json").content)


def read(api: httpx.Client, flow: Flow, answer: dict[str, Any]) -> dict[str, Any]:
    """What a client reads of a signed answer, which has nothing beside it."""
    assert set(answer) == {"response"}
    return jwt.verify(
        answer["response"],
        keys_of(api),
        issuer=flow.browser.server.url,
        audience=flow.party.id,
        typ=None,
        now=flow.browser.server.clock(),
    )


@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
def test_in_the_query(api: httpx.Client, browser: Browser, server: RunningServer, mode: str) -> None:
    """JARM §2.1, §2.3.1: code, state, issuer, audience and an end, in one parameter; the code is as good as any."""
    flow = Flow(add_relying_party(server), browser)
    answer = read(api, flow, answer_of(flow.ask(response_mode=mode)))
    assert set(answer) == {"iss", "aud", "exp", "code", "state"}
    assert (answer["aud"], answer["state"]) == (flow.party.id, flow.state)
    assert answer["exp"] == int(server.clock()) + 600
    assert flow.redeem(api, answer["code"]).status_code == 200


def test_in_a_form(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """§2.3.3: the same token, posted."""
    flow = Flow(add_relying_party(server), browser)
    action, fields = form_of(flow.ask(response_mode="form_post.jwt").text)
    assert action == CALLBACK
    assert flow.redeem(api, read(api, flow, fields)["code"]).status_code == 200


def test_errors_are_signed_too(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """§2.1: whoever could forge a refusal could have a client do as if the person had refused."""
    flow = Flow(add_relying_party(server), browser)
    told = read(api, flow, answer_of(flow.ask(response_mode="jwt", scope="nonsense")))
    assert (told["error"], told["state"]) == ("invalid_scope", flow.state)
    assert answer_of(flow.ask(response_mode="fragment.jwt"))["error"] == "invalid_request"


def test_the_algorithm_is_the_clients(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """§3: `authorization_signed_response_alg`, and RS256 for who has registered none."""
    for registered, alg in (("", "RS256"), ("ES256", "ES256")):
        metadata = ClientMetadata(redirect_uris=(CALLBACK,), authorization_signed_response_alg=registered)
        flow = Flow(add_relying_party(server, metadata=metadata), browser)
        token = answer_of(flow.ask(response_mode="jwt"))["response"]
        assert jwt.peek(token).headers["alg"] == alg


def test_it_passes_for_nothing_else(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """RFC 8725bis §3.12: an answer is no ID token, and opens nothing."""
    flow = Flow(add_relying_party(server), browser)
    token = answer_of(flow.ask(response_mode="jwt"))["response"]
    with pytest.raises(JoseError):
        id_token.check_hint(token, keys_of(api), issuer=server.url, client_id=flow.party.id)
    assert answer_of(flow.ask(id_token_hint=token))["error"] == "invalid_request"
    assert api.get("/oauth/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_the_metadata_says_so(api: httpx.Client) -> None:
    """JARM §4."""
    document = api.get("/.well-known/openid-configuration").json()
    assert {"jwt", "query.jwt", "form_post.jwt"} <= set(document["response_modes_supported"])
    assert "RS256" in document["authorization_signing_alg_values_supported"]
