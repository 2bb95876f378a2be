"""The kill matrix of sign-ins at applications: what each event ends of what registered clients hold of a person.

The events happen at one server or by a command; everything is checked at another server on the same database, and by a
verifier that follows that other one and never asks about a token.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import pytest
from tests.stories.test_device_grant import ask as ask_by_device
from tests.stories.test_device_grant import decide, poll
from tests.stories.test_kill_matrix import (
    API,
    APP_METADATA,
    Client,
    Held,
    bearer,
    cheap_commands,
    command,
    compromise,
    delete_account,
    forgotten_password,
    logout_everywhere,
    servers,
    world,
)
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.wait import eventually

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.device_code import GRANT_TYPE as DEVICE_CODE
from gatepass.server.features.oauth.token.token_exchange import ACCESS_TOKEN
from gatepass.server.features.oauth.token.token_exchange import GRANT_TYPE as TOKEN_EXCHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from tests.stories.test_kill_matrix import World
    from tests.support.relying_party import RelyingParty

T = TypeVar("T")

__all__ = ["cheap_commands", "servers", "world"]  # fixtures

SERVICE = "https://gateway.example.test"
BYE = "https://app.example.test/bye"

ARTEFACTS = {
    "access token, at a verifier": "Of a sign-in by the authorization code grant; the API verifies it offline.",
    "access token, at UserInfo": "The same at `/oauth/userinfo`.",
    "exchanged token, at a verifier": "A token for another API, which a service got for that one (RFC 8693).",
    "refresh token": "At `/oauth/token`.",
    "offline access token": "Of a grant with `offline_access`, given in the same browser; at a verifier.",
    "offline refresh token": "At `/oauth/token`.",
    "unredeemed code": "An authorization code, redeemed after the event.",
    "pushed request": "Whether its `request_uri` still begins a sign-in.",
    "approved device code": "A device's code that was approved before the event, and is polled after it.",
    "browser session": "Whether another application gets a code by `prompt=none`.",
    "another application's refresh token": "Of the same person, in the same browser.",
}
FOLLOWED = "at a verifier", "offline access token"
"""How the names of those end or read that a verifier judges, which follows the other server and asks nobody."""
PROMISED_SECONDS, LONGEST_SECONDS = 1.0, 4.0
"""What half of them keep on any machine, and each keeps on a busy one: nothing looks so often by itself."""
OF_GRANT = frozenset(
    {
        "access token, at a verifier",
        "access token, at UserInfo",
        "exchanged token, at a verifier",
        "refresh token",
    }
)
OFFLINE = frozenset({"offline access token", "offline refresh token"})
TOKENS = (OF_GRANT | OFFLINE) - {"refresh token", "offline refresh token"}
CODES = frozenset({"unredeemed code", "approved device code"})
IN_BROWSER = OF_GRANT | CODES | {"browser session", "another application's refresh token"}
OF_PERSON = IN_BROWSER | OFFLINE
OF_APPLICATION = OF_GRANT | OFFLINE | CODES
SHORT_LIVED = frozenset({"unredeemed code", "pushed request"})


def last(spare: list[T]) -> T:
    """Use one up before the event; the last is for after it."""
    return spare.pop() if len(spare) > 1 else spare[0]


class HeldByApplications(Held):
    """What an application, a service behind it and another application hold of somebody before the event."""

    def __init__(self, world: World, browser: Browser) -> None:
        super().__init__(world)
        self.browser = browser
        self.app = add_relying_party(
            world.here,
            audience=(API, SERVICE),
            scope=("openid", "read", "write", "offline_access"),
            grant_types=("authorization_code", "refresh_token", DEVICE_CODE),
            metadata=ClientMetadata(redirect_uris=(CALLBACK,), post_logout_redirect_uris=(BYE,)),
            rules=ClientRules(),
        )
        self.client = Client(self.app.id, self.app.secret)
        self.neighbour = add_relying_party(world.here, audience=(API,))
        self.service = add_relying_party(
            world.here,
            audience=(SERVICE,),
            scope=("read",),
            grant_types=(TOKEN_EXCHANGE,),
            rules=ClientRules(consent="never", exchange_audience=(API,)),
        )
        assert self.browser.sign_in(self.person).status_code == 303
        with world.here.client() as api:
            self.flow, self.code = self.agreed()
            self.tokens = self.flow.redeem(api, self.code).json()
            flow, code = self.agreed("openid read offline_access")
            self.offline = flow.redeem(api, code).json()
            self.exchanged = self._exchanged(api)
            flow, code = self.agreed(party=self.neighbour, scope="openid")
            self.neighbours = flow.redeem(api, code).json()
            self.codes = [self.agreed() for _ in range(2)]
            self.pushed = [self._push(api) for _ in range(2)]
            self.devices = [ask_by_device(api, self.app, scope="openid read") for _ in range(2)]
        for device in self.devices:
            decide(self.browser, device["user_code"], "allow", scope=["read"])

    def agreed(self, scope: str = "openid read", party: RelyingParty | None = None) -> tuple[Flow, str]:
        """Ask in the browser, and agree where that is asked."""
        flow = Flow(party or self.app, self.browser)
        answer = flow.follow(flow.ask(scope=scope, prompt="consent" if "offline_access" in scope else None))
        return flow, code_of(flow.submit(answer, decision="allow") if answer.status_code == 200 else answer)

    def _exchanged(self, api: httpx.Client) -> str:
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": self.tokens["access_token"],
            "subject_token_type": ACCESS_TOKEN,
            "resource": API,
            **self.service.credentials,
        }
        token: str = api.post("/oauth/token", data=form).json()["access_token"]
        return token

    def _push(self, api: httpx.Client) -> str:
        flow = Flow(self.app, self.browser)
        form = flow.parameters(scope="openid read") | self.app.credentials
        request_uri: str = api.post("/oauth/par", data=form).json()["request_uri"]
        return request_uri

    def works(self, artefact: str) -> bool:
        """Try one of them over there."""
        with self.world.there.client(cookies=self.browser.http.cookies) as api:
            return {
                "access token, at a verifier": lambda: self._verifies(self.tokens["access_token"]),
                "access token, at UserInfo": lambda: self._userinfo(api),
                "exchanged token, at a verifier": lambda: self._verifies(self.exchanged),
                "refresh token": lambda: self._renews(api, self.app, self.tokens),
                "offline access token": lambda: self._verifies(self.offline["access_token"]),
                "offline refresh token": lambda: self._renews(api, self.app, self.offline),
                "unredeemed code": lambda: self._redeems(api),
                "pushed request": lambda: self._opens(api),
                "approved device code": lambda: poll(api, self.app, last(self.devices)).status_code == 200,
                "browser session": lambda: self._signs_on(api),
                "another application's refresh token": lambda: self._renews(api, self.neighbour, self.neighbours),
            }[artefact]()

    def _userinfo(self, api: httpx.Client) -> bool:
        headers = {"authorization": f"Bearer {self.tokens['access_token']}"}
        return api.get("/oauth/userinfo", headers=headers).status_code == 200

    def _renews(self, api: httpx.Client, party: RelyingParty, tokens: dict[str, Any]) -> bool:
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
        return api.post("/oauth/token", data=form).status_code == 200

    def _redeems(self, api: httpx.Client) -> bool:
        flow, code = last(self.codes)
        return replace(flow, party=self.app).redeem(api, code).status_code == 200

    def _opens(self, api: httpx.Client) -> bool:
        asked = {"client_id": self.app.id, "request_uri": last(self.pushed)}
        return api.get("/oauth/authorize", params=asked).status_code != 400

    def _signs_on(self, api: httpx.Client) -> bool:
        asked = Flow(self.neighbour, self.browser).parameters(scope="openid", prompt="none")
        return "code" in answer_of(api.get("/oauth/authorize", params=asked))


class Tried(Protocol):
    """An event, and what it is tried on."""

    @property
    def title(self) -> str: ...
    @property
    def happen(self) -> Callable[[World, Any], None]: ...
    @property
    def kills(self) -> frozenset[str]: ...
    @property
    def artefacts(self) -> list[str]: ...


class Ending(NamedTuple):
    """Something that ends something: what it is, how it happens, and what is dead after it; all else lives.

    `takes_time`: a minute passes in it, by the end of which what is short-lived has expired anyhow.
    """

    title: str
    happen: Callable[[World, HeldByApplications], None]
    kills: frozenset[str]
    takes_time: bool = False

    @property
    def artefacts(self) -> list[str]:
        """What the event is tried on."""
        return [name for name in ARTEFACTS if not (self.takes_time and name in SHORT_LIVED)]


def _sign_out(_: World, held: HeldByApplications) -> None:
    assert held.browser.post("/pages/logout", at="/pages/account").status_code == 303


def _rp_initiated(_: World, held: HeldByApplications) -> None:
    asked = {"id_token_hint": held.tokens["id_token"], "post_logout_redirect_uri": BYE}
    kept = dict(held.browser.http.cookies)
    answer = held.flow.follow(held.browser.http.get("/oauth/logout", params=asked))
    assert answer.headers["location"] == BYE
    held.browser.http.cookies.update(kept)  # the cookie is gone from the browser, and a copy of it is worth nothing


def _end_session(world: World, held: HeldByApplications) -> None:
    ended = jwt.peek(held.tokens["id_token"]).claims["sid"]
    with world.here.client() as api:
        assert api.delete(f"/sessions/{ended}", headers=bearer(held.pair)).status_code == 204


def _end_offline(world: World, held: HeldByApplications) -> None:
    ended = jwt.peek(held.offline["access_token"]).claims["sid"]
    with world.here.client() as api:
        assert api.delete(f"/sessions/{ended}", headers=bearer(held.pair)).status_code == 204


def _new_password(world: World, held: HeldByApplications) -> None:
    with world.here.client() as api:
        new = {"password": "another good long password"}
        assert api.post("/account/password", json=new, headers=bearer(held.pair)).status_code == 204


def _disconnect(world: World, held: HeldByApplications) -> None:
    with world.here.client() as api:
        assert api.delete(f"/account/consents/{held.app.id}", headers=bearer(held.pair)).status_code == 204


def _use_code_again(world: World, held: HeldByApplications) -> None:
    with world.here.client() as api:
        assert held.flow.redeem(api, held.code, code_verifier=None).json()["error"] == "invalid_grant"


def _reuse_refresh_token(world: World, held: HeldByApplications) -> None:
    with world.here.client() as api:
        current = held.tokens["refresh_token"]
        for _ in range(2):
            world.here.clock.advance(61)
            current = held.app.refresh(api, current)["refresh_token"]
        form = {"grant_type": "refresh_token", "refresh_token": held.tokens["refresh_token"], **held.app.credentials}
        assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
        held.tokens["refresh_token"] = current


def _revoke(which: str) -> Callable[[World, HeldByApplications], None]:
    def happen(world: World, held: HeldByApplications) -> None:
        tokens = {"refresh": held.tokens, "offline": held.offline}[which]
        with world.here.client() as api:
            form = {"token": tokens["refresh_token"], **held.app.credentials}
            assert api.post("/oauth/revoke", data=form).status_code == 200

    return happen


def _rotate_secret(world: World, held: HeldByApplications) -> None:
    answer = json.loads(world.operate("client", "rotate-secret", held.app.id, "--json"))
    held.app = replace(held.app, secret=answer["client_secret"])


def _disable_service(world: World, held: HeldByApplications) -> None:
    world.operate("client", "disable", held.service.id)


ENDINGS: tuple[Ending, ...] = (
    Ending("sign-out in the browser", _sign_out, IN_BROWSER),
    Ending("RP-initiated logout", _rp_initiated, IN_BROWSER),
    Ending("the browser's session ended from another device", _end_session, IN_BROWSER),
    Ending("the offline session ended from another device", _end_offline, OFFLINE),
    Ending("logout everywhere", logout_everywhere, OF_PERSON),
    Ending("another password, set in another session", _new_password, OF_PERSON),
    Ending("a forgotten password, set by mail", forgotten_password, OF_PERSON),
    Ending("account deleted", delete_account, OF_PERSON),
    Ending("application disconnected (consent withdrawn)", _disconnect, OF_APPLICATION),
    Ending("authorization code used twice", _use_code_again, OF_GRANT),
    Ending("refresh token reused at the application", _reuse_refresh_token, OF_GRANT, takes_time=True),
    Ending("`/oauth/revoke` of the refresh token", _revoke("refresh"), OF_GRANT),
    Ending("`/oauth/revoke` of the offline refresh token", _revoke("offline"), OFFLINE),
    Ending("`gatepass user logout`", command("user", "logout", "EMAIL"), OF_PERSON),
    Ending("`gatepass user disable`", command("user", "disable", "EMAIL"), OF_PERSON),
    Ending(
        "`gatepass user password`",
        command("user", "password", "EMAIL", stdin="another good long password\n"),
        OF_PERSON,
    ),
    Ending("`gatepass user reset-factors`", command("user", "reset-factors", "EMAIL"), OF_PERSON),
    Ending("a role removed", command("user", "role", "EMAIL", "admin", "--remove"), TOKENS),
    Ending(APP_METADATA, command("user", "metadata", "EMAIL", '{"plan": "pro"}'), TOKENS),
    Ending("`gatepass client rotate-secret`", _rotate_secret, CODES | {"pushed request"}),
    Ending(
        "a scope taken from the client (`gatepass client edit`)",
        command("client", "edit", "CLIENT", "--scope", "openid", "--scope", "read", "--scope", "offline_access"),
        TOKENS | CODES | {"pushed request"},
    ),
    Ending("`gatepass client disable`", command("client", "disable", "CLIENT"), OF_APPLICATION | {"pushed request"}),
    Ending("`gatepass client remove`", command("client", "remove", "CLIENT"), OF_APPLICATION | {"pushed request"}),
    Ending(
        "`gatepass client disable` of the service that exchanged a token",
        _disable_service,
        frozenset({"exchanged token, at a verifier"}),
    ),
    # The last one, since it ends the tokens of everybody: what the others hold is signed with the same key.
    Ending("`gatepass key compromise`", compromise, TOKENS),
)


@pytest.fixture(scope="module")
def delays() -> Generator[list[float]]:
    """How long it took until a verifier refused each token that an event had killed, in seconds."""
    measured: list[float] = []
    yield measured
    if len(measured) > 1:
        assert median(measured) <= PROMISED_SECONDS
        print(f"{len(measured)} tokens refused: p99 {1_000 * quantiles(measured, n=100)[98]:.0f} ms after the event")  # noqa: T201


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.title)
def test_what_each_event_kills_of_applications(world: World, ending: Ending, delays: list[float]) -> None:
    """Before the event everything works; after it, what is marked is dead everywhere, and all else still works.

    A verifier that follows another server refuses what is dead within a second.
    """
    with Browser(world.here) as browser:
        prove(ending, world, HeldByApplications(world, browser), delays)


def prove(ending: Tried, world: World, held: Any, delays: list[float]) -> None:  # noqa: ANN401 - what an event is tried on
    """Try everything before and after."""
    for artefact in ending.artefacts:
        assert held.works(artefact), f"{artefact} before {ending.title}"
    ending.happen(world, held)
    done = time.monotonic()
    waiting = {name for name in ending.artefacts if name in ending.kills and name.endswith(FOLLOWED)}
    while waiting:
        waiting -= (gone := {name for name in waiting if not held.works(name)})
        delays.extend([time.monotonic() - done] * len(gone))
        assert time.monotonic() - done <= LONGEST_SECONDS or not waiting, f"{waiting} after {ending.title}"
        time.sleep(0.005)
    for artefact in ending.artefacts:
        if artefact in ending.kills:
            eventually(lambda artefact=artefact: not held.works(artefact))  # type: ignore[misc]
    for artefact in ending.artefacts:
        assert held.works(artefact) == (artefact not in ending.kills), f"{artefact} after {ending.title}"
