"""Keycloak, unchanged and set up as our guide shows: people sign in to its applications with their accounts here."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from tests.support.authorization import challenge, new_verifier
from tests.support.commands import add_client
from tests.support.journey import arrive, asks_for_a_password, fill_in, is_at_the_server, travel
from tests.support.keycloak import distribution, running_keycloak
from tests.support.pages import Browser
from tests.support.server import ANN, RunningClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from tests.support.keycloak import Keycloak
    from tests.support.server import RunningServer

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "applications.md"
BOB = {"email": "bob@example.test", "password": "battery staple horse"}
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15"
"""It sends no Secure cookie to a loopback address without TLS, and httpx neither: Keycloak sets others for it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which Keycloak goes by; Ann, whose address is verified, and Bob, whose is not."""
    with running_server(tmp_path_factory.mktemp("gatepass"), RunningClock()) as running:
        with running.client() as api:
            for each in (ANN, BOB):
                assert api.post("/signup", json=each).status_code == 201
        main(["user", "verify", ANN["email"], *running.place])
        yield running


@pytest.fixture(scope="module", params=["26.5.6", "26.7.3"])
def keycloak(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Keycloak]:
    """A Keycloak of this version, which has nothing but its first administrator."""
    with running_keycloak(distribution(request.param), tmp_path_factory.mktemp("keycloak")) as running:
        yield running


@dataclass(frozen=True)
class Realm:
    """A realm that asks us who people are, and an application in it, whose page is the realm's own."""

    keycloak: Keycloak
    name: str

    @property
    def url(self) -> str:
        """Its issuer."""
        return f"{self.keycloak.url}/realms/{self.name}"

    @property
    def protocol(self) -> str:
        """Where its endpoints are."""
        return f"{self.url}/protocol/openid-connect"

    def entrance(self, verifier: str = "", **more: str) -> str:
        """Where the application sends people, past Keycloak's own form."""
        usual = {
            "client_id": "app",
            "response_type": "code",
            "redirect_uri": self.url,
            "scope": "openid",
            "code_challenge": challenge(verifier or new_verifier()),
            "code_challenge_method": "S256",
            "kc_idp_hint": "gatepass",
        }
        return f"{self.protocol}/auth?{urlencode(usual | more)}"

    def token(self, **form: str) -> httpx.Response:
        """What the application is given for a code or a refresh token."""
        return httpx.post(f"{self.protocol}/token", data={"client_id": "app", **form}, timeout=60)

    def userinfo(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """What Keycloak tells the application about somebody."""
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        told: dict[str, Any] = httpx.get(f"{self.protocol}/userinfo", headers=headers, timeout=60).json()
        return told

    def refreshes(self, tokens: dict[str, Any]) -> bool:
        """Whether Keycloak's own session lives."""
        answer = self.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        return answer.status_code == httpx.codes.OK

    def stored_tokens(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """Our tokens, of which Keycloak keeps a copy for the application."""
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        answer = httpx.get(f"{self.url}/broker/gatepass/token", headers=headers, timeout=60)
        assert answer.status_code == httpx.codes.OK, answer.text
        stored: dict[str, Any] = answer.json()
        return stored


def shown_provider() -> dict[str, Any]:
    """The identity provider that the guide shows."""
    shown = re.search(r"## Keycloak\n.*?```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert shown is not None
    provider: dict[str, Any] = json.loads(shown[1])
    return provider


def add_realm(
    server: RunningServer,
    keycloak: Keycloak,
    *proof: str,
    provider: Mapping[str, object] | None = None,
    config: Mapping[str, str] | None = None,
) -> Realm:
    """Register a new realm here, and us there, from our discovery document and as the guide shows.

    Args:
        server: The server.
        keycloak: Keycloak.
        proof: Options of the command that registers the realm.
        provider: More members of its identity provider.
        config: Other settings of it.
    """
    realm = Realm(keycloak, f"shop-{secrets.token_hex(4)}")
    languages = {"internationalizationEnabled": True, "supportedLocales": ["en", "de"], "defaultLocale": "en"}
    keycloak.admin("POST", "", {"realm": realm.name, "enabled": True, **languages})
    app = {"clientId": "app", "publicClient": True, "redirectUris": [realm.url]}
    keycloak.admin("POST", f"/{realm.name}/clients", app)
    broker = f"{realm.url}/broker/gatepass/endpoint"
    client = add_client(
        server,
        "Keycloak",
        "--redirect-uri",
        broker,
        "--post-logout-redirect-uri",
        f"{broker}/logout_response",
        "--backchannel-logout-uri",
        f"{realm.protocol}/logout/backchannel-logout",
        "--claims-in-id-token",
        *(option.replace("REALM", realm.protocol) for option in proof),
    )
    place = f"/{realm.name}/identity-provider"
    discovered = {"providerId": "oidc", "fromUrl": f"{server.url}/.well-known/openid-configuration"}
    found = keycloak.admin("POST", f"{place}/import-config", discovered)
    assert (found["validateSignature"], found["useJwksUrl"]) == ("true", "true")
    shown = shown_provider()
    here = {"clientId": client.id, "clientSecret": client.secret}
    instance = {**shown, **(provider or {}), "config": found | shown["config"] | here | dict(config or {})}
    keycloak.admin("POST", f"{place}/instances", instance)
    return realm


def new_browser(server: RunningServer) -> Browser:
    """A browser whose cookies Keycloak sets so that they come back."""
    browser = Browser(server)
    browser.http.headers["user-agent"] = SAFARI
    return browser


def sign_in(realm: Realm, browser: Browser, person: dict[str, str], **more: str) -> dict[str, Any]:
    """Sign in at the application; its tokens. Keycloak asks newcomers for a name, which we do not know."""
    verifier = new_verifier()
    at = travel(browser, realm.entrance(verifier, **more), person)
    if 'name="lastName"' in at.text:
        at = fill_in(browser, at, firstName="Ann", lastName="Smith")
    answer = realm.token(
        grant_type="authorization_code", code=answer_in(at)["code"], redirect_uri=realm.url, code_verifier=verifier
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def leave(realm: Realm, browser: Browser, tokens: dict[str, Any]) -> httpx.Response:
    """Sign out at the application; where that ends."""
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": realm.url}
    return arrive(browser, f"{realm.protocol}/logout?{urlencode(asked)}")


def answer_in(page: httpx.Response) -> dict[str, str]:
    """What the application's address was given in the query."""
    found = {name: values[0] for name, values in parse_qs(page.url.query.decode()).items()}
    assert found, page.text
    return found


@pytest.mark.soak
@pytest.mark.parametrize(
    ("proof", "config"),
    [
        ((), {}),
        ((), {"clientAuthMethod": "client_secret_basic"}),
        (
            ("--jwks-uri", "REALM/certs", "--assertion-audience", "token_endpoint"),
            {"clientAuthMethod": "private_key_jwt"},
        ),
        (("--jwks-uri", "REALM/certs"), {"clientAuthMethod": "private_key_jwt", "clientAssertionAudience": "ISSUER"}),
        (
            ("--id-token-alg", "ES256", "--userinfo-alg", "ES256", "--subject", "pairwise"),
            {"isAccessTokenJWT": "true", "sendClientIdOnLogout": "true"},
        ),
    ],
    ids=["client_secret_post", "client_secret_basic", "private_key_jwt", "private_key_jwt-issuer", "all-signed"],
)
def test_the_road_on_keycloak(
    server: RunningServer, keycloak: Keycloak, proof: tuple[str, ...], config: dict[str, str]
) -> None:
    """Sign-in, by each way that Keycloak proves itself, with what UserInfo says; a logout there ends the session."""
    settings = {name: value.replace("ISSUER", server.url) for name, value in config.items()}
    realm = add_realm(server, keycloak, *proof, config=settings)
    with new_browser(server) as browser:
        tokens = sign_in(realm, browser, ANN)
        told = realm.userinfo(tokens)
        assert (told["email"], told["email_verified"]) == (ANN["email"], True)
        assert str(leave(realm, browser, tokens).url) == realm.url
        assert not realm.refreshes(tokens)
        assert asks_for_a_password(arrive(browser, realm.entrance()))


@pytest.mark.soak
def test_a_logout_here_ends_the_session_there(server: RunningServer, keycloak: Keycloak) -> None:
    """A session that ends here is dead at Keycloak, by back-channel logout; another person's is not.

    Before 26.7, Keycloak looks for it by `session_state`, which no token response of OpenID Connect has, instead of
    by the `sid` of the ID token (Back-Channel Logout 1.0 §2.1): it answers 200 and ends nothing (keycloak#12142).
    """
    if keycloak.version < "26.7":
        pytest.skip("this version takes the notice and ends nothing")
    realm = add_realm(server, keycloak)
    with new_browser(server) as browser, new_browser(server) as other:
        tokens, others = sign_in(realm, browser, ANN), sign_in(realm, other, BOB)
        assert realm.refreshes(tokens)
        with server.client() as api:
            own = api.post("/login", json=ANN).json()["token"]
            assert api.post("/logout/all", headers={"authorization": f"Bearer {own}"}).status_code == 204
        eventually(lambda: not realm.refreshes(tokens))
        assert realm.refreshes(others)
        assert asks_for_a_password(arrive(browser, realm.entrance()))


@pytest.mark.soak
def test_a_logout_without_the_browser(server: RunningServer, keycloak: Keycloak) -> None:
    """With *Backchannel logout* on, Keycloak asks for the logout itself, and the session here lives: leave it off.

    RP-Initiated Logout 1.0 §2 sends the browser, and has people asked when the hint is not of the session in it.
    """
    realm = add_realm(server, keycloak, config={"backchannelSupported": "true"})
    with new_browser(server) as browser:
        tokens = sign_in(realm, browser, ANN)
        assert str(leave(realm, browser, tokens).url) == realm.url
        assert not realm.refreshes(tokens)
        assert not asks_for_a_password(arrive(browser, realm.entrance()))


@pytest.mark.soak
def test_what_keycloak_believes(server: RunningServer, keycloak: Keycloak) -> None:
    """An address that we did not verify is not verified there; ID tokens that its key set did not sign are refused.

    With *Trust Email*, Keycloak believes `email_verified` of the ID token alone; where that has none, as by default
    here (OpenID Connect Core §5.4), each address is verified there, whatever UserInfo says.
    """
    realm = add_realm(server, keycloak)
    with new_browser(server) as browser:
        told = realm.userinfo(sign_in(realm, browser, BOB))
        assert (told["email"], told["email_verified"]) == (BOB["email"], False)
    strangers = f"{keycloak.url}/realms/master/protocol/openid-connect/certs"
    with new_browser(server) as browser:
        at = travel(browser, add_realm(server, keycloak, config={"jwksUrl": strangers}).entrance(), ANN)
        assert at.status_code == httpx.codes.BAD_GATEWAY, at.text


@pytest.mark.soak
def test_what_an_application_asks_of_keycloak(server: RunningServer, keycloak: Keycloak) -> None:
    """Language, address and age of the sign-in, and to ask nothing or anew: each arrives here and is obeyed."""
    passed = ("loginHint", "uiLocales", "passMaxAge", "acceptsPromptNoneForwardFromClient")
    realm = add_realm(server, keycloak, config=dict.fromkeys(passed, "true"))
    with new_browser(server) as browser:
        assert answer_in(arrive(browser, realm.entrance(prompt="none")))["error"] == "login_required"
        page = arrive(browser, realm.entrance(ui_locales="de", login_hint=ANN["email"]))
        assert '<html lang="de"' in page.text
        assert f'value="{ANN["email"]}"' in page.text
        sign_in(realm, browser, ANN)
        forget_keycloak(browser, keycloak)
        assert sign_in(realm, browser, {}, prompt="none")
        for asked in ({"max_age": "0"}, {"prompt": "login"}):
            forget_keycloak(browser, keycloak)
            assert asks_for_a_password(arrive(browser, realm.entrance(**asked))), asked
        forget_keycloak(browser, keycloak)
        assert not is_at_the_server(browser, arrive(browser, realm.entrance(max_age="600")))


def forget_keycloak(browser: Browser, keycloak: Keycloak) -> None:
    """Let the browser keep our cookies alone, so that Keycloak asks us again."""
    browser.http.cookies.clear(domain=httpx.URL(keycloak.url).host)


@pytest.mark.soak
def test_tokens_that_keycloak_keeps(server: RunningServer, keycloak: Keycloak) -> None:
    """An application fetches our tokens from Keycloak, which refreshes those that end too soon."""
    longer_than_they_live = "1000"
    keeps = {"storeToken": True, "addReadTokenRoleOnCreate": True}
    realm = add_realm(server, keycloak, provider=keeps, config={"minValidityToken": longer_than_they_live})
    with new_browser(server) as browser, server.client() as api:
        tokens = sign_in(realm, browser, ANN)
        first, second = realm.stored_tokens(tokens), realm.stored_tokens(tokens)
        assert first["access_token"] != second["access_token"]
        told = api.get("/oauth/userinfo", headers={"authorization": f"Bearer {second['access_token']}"}).json()
        assert told["email"] == ANN["email"]
