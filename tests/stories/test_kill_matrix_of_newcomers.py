"""The kill matrix of applications that no operator has registered: those that register themselves, and documents."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.stories.test_kill_matrix import API, bearer, cheap_commands, servers, verifies, world
from tests.stories.test_kill_matrix_of_applications import delays, prove
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, RelyingParty
from tests.support.scripted_site import ScriptedSite
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from tests.stories.test_kill_matrix import World

__all__ = ["cheap_commands", "delays", "servers", "world"]  # fixtures

ARTEFACTS = {
    "registration token": "At `/oauth/register/{client_id}`, of an application that has registered itself (RFC 7591).",
    "its access token, at a verifier": "Of a sign-in at that application; the API verifies it offline.",
    "its refresh token": "At `/oauth/token`.",
    "a document's access token, at a verifier": "Of an application that is the URL of its metadata document.",
    "a document's refresh token": "At `/oauth/token`.",
    "browser session": "Whether the application that registered itself gets a code by `prompt=none`.",
}
GRANTS = {"grant_types": ["authorization_code", "refresh_token"]}
OF_APPLICATION = frozenset({"its access token, at a verifier", "its refresh token"})
OF_DOCUMENT = frozenset({"a document's access token, at a verifier", "a document's refresh token"})
SIGN_ON = frozenset({"browser session"})
REGISTRATION = frozenset({"registration token"})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[ScriptedSite]:
    """Where the documents are, by TLS."""
    cert, key = self_signed(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch, ScriptedSite((cert, key)) as site:
        patch.setenv("SSL_CERT_FILE", cert)
        yield site


class HeldByNewcomers:
    """What two such applications hold of somebody before the event, and whether it works, seen from over there."""

    def __init__(self, world: World, browser: Browser, site: ScriptedSite) -> None:
        self.world, self.browser = world, browser
        self.person = world.sign_up()
        world.operate("api", "add", API, "--scope", "read=Read", "--public")
        assert browser.sign_in(self.person).status_code == 303
        with world.here.client() as api:
            self.pair = api.post("/login", json=self.person).json()
            said: dict[str, Any] = {"client_name": "Notes", "redirect_uris": [CALLBACK], "scope": "openid read"}
            said |= {"token_endpoint_auth_method": "client_secret_post", **GRANTS}
            self.registered = api.post("/oauth/register", json=said).json()
            self.app = RelyingParty(self.registered["client_id"], self.registered["client_secret"], world.here)
            self.document = RelyingParty(self._publish(site), "", world.here)
            self.tokens = {party.id: self._sign_in(api, party) for party in (self.app, self.document)}

    @staticmethod
    def _publish(site: ScriptedSite) -> str:
        path = f"/{secrets.token_hex(4)}.json"
        grants = ["authorization_code", "refresh_token"]
        said = {
            "client_id": site.url + path,
            "client_name": "Agent",
            "redirect_uris": [CALLBACK],
            "grant_types": grants,
        }
        return site.put(path, said)

    def _sign_in(self, api: httpx.Client, party: RelyingParty) -> dict[str, Any]:
        flow = Flow(party, self.browser)
        page = flow.follow(flow.ask(scope="openid read", resource=API))
        answer = flow.redeem(api, code_of(flow.submit(page, decision="allow")))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def works(self, artefact: str) -> bool:
        """Try one of them over there."""
        with self.world.there.client(cookies=self.browser.http.cookies) as api:
            return {
                "registration token": lambda: self._reads_itself(api),
                "its access token, at a verifier": lambda: self._verifies(self.app),
                "its refresh token": lambda: self._renews(api, self.app),
                "a document's access token, at a verifier": lambda: self._verifies(self.document),
                "a document's refresh token": lambda: self._renews(api, self.document),
                "browser session": lambda: self._signs_on(api),
            }[artefact]()

    def _reads_itself(self, api: httpx.Client) -> bool:
        headers = {"authorization": f"Bearer {self.registered['registration_access_token']}"}
        return api.get(f"/oauth/register/{self.app.id}", headers=headers).status_code == 200

    def _verifies(self, party: RelyingParty) -> bool:
        return verifies(self.world.verifier, self.tokens[party.id]["access_token"])

    def _renews(self, api: httpx.Client, party: RelyingParty) -> bool:
        token = self.tokens[party.id]["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": token, **party.credentials}
        answer = api.post("/oauth/token", data=form)
        if answer.status_code == 200:
            self.tokens[party.id]["refresh_token"] = answer.json()["refresh_token"]
        return answer.status_code == 200

    def _signs_on(self, api: httpx.Client) -> bool:
        asked = Flow(self.app, self.browser).parameters(scope="openid read", resource=API, prompt="none")
        return "code=" in api.get("/oauth/authorize", params=asked).headers.get("location", "")


class Ending(NamedTuple):
    """Something that ends something: what it is, how it happens, and what is dead after it; all else lives."""

    title: str
    happen: Callable[[World, HeldByNewcomers], None]
    kills: frozenset[str]

    @property
    def artefacts(self) -> list[str]:
        """What the event is tried on."""
        return list(ARTEFACTS)


def _unregister(world: World, held: HeldByNewcomers) -> None:
    headers = {"authorization": f"Bearer {held.registered['registration_access_token']}"}
    with world.here.client() as api:
        assert api.delete(f"/oauth/register/{held.app.id}", headers=headers).status_code == 204


def _disconnect(which: str) -> Callable[[World, HeldByNewcomers], None]:
    def happen(world: World, held: HeldByNewcomers) -> None:
        party: RelyingParty = getattr(held, which)
        at, path = "/pages/account/apps", "/pages/account/apps/disconnect"
        assert held.browser.post(path, at=at, client_id=party.id).status_code == 303

    return happen


def _operate(*words: str) -> Callable[[World, HeldByNewcomers], None]:
    def happen(world: World, held: HeldByNewcomers) -> None:
        names = {"APP": held.app.id, "DOCUMENT": held.document.id, "EMAIL": held.person["email"]}
        world.operate(*(names.get(word, word) for word in words))

    return happen


def _sign_out(_: World, held: HeldByNewcomers) -> None:
    assert held.browser.post("/pages/logout", at="/pages/account").status_code == 303


def _logout_everywhere(world: World, held: HeldByNewcomers) -> None:
    with world.here.client() as api:
        assert api.post("/logout/all", headers=bearer(held.pair)).status_code == 204


ENDINGS: tuple[Ending, ...] = (
    Ending("sign-out in the browser", _sign_out, OF_APPLICATION | OF_DOCUMENT | SIGN_ON),
    Ending("logout everywhere", _logout_everywhere, OF_APPLICATION | OF_DOCUMENT | SIGN_ON),
    Ending("`gatepass user disable`", _operate("user", "disable", "EMAIL"), OF_APPLICATION | OF_DOCUMENT | SIGN_ON),
    Ending("the application that registered itself disconnected", _disconnect("app"), OF_APPLICATION | SIGN_ON),
    Ending("the document's client disconnected", _disconnect("document"), OF_DOCUMENT),
    Ending("`DELETE /oauth/register/{client_id}`", _unregister, OF_APPLICATION | REGISTRATION | SIGN_ON),
    Ending(
        "`gatepass client disable` of it", _operate("client", "disable", "APP"), OF_APPLICATION | REGISTRATION | SIGN_ON
    ),
    Ending(
        "`gatepass client remove` of it", _operate("client", "remove", "APP"), OF_APPLICATION | REGISTRATION | SIGN_ON
    ),
    Ending("`gatepass client disable` of the document's", _operate("client", "disable", "DOCUMENT"), OF_DOCUMENT),
    Ending("`gatepass client remove` of the document's", _operate("client", "remove", "DOCUMENT"), OF_DOCUMENT),
)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.title)
def test_what_each_event_kills_of_newcomers(
    world: World, site: ScriptedSite, ending: Ending, delays: list[float]
) -> None:
    """Before the event everything works; after it, what is marked is dead everywhere, and all else still works."""
    with Browser(world.here) as browser:
        prove(ending, world, HeldByNewcomers(world, browser, site), delays)
