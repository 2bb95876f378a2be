"""The kill matrix: each event that ends something, against each thing that it must end, and the things that live on.

The events happen at one server or by a command; everything is checked at another server on the same database, and by a
verifier that follows that other one and never asks about a token. `test_kill_matrix_page.py` writes
`docs/security/kill-matrix.md` from what is proved here and in `test_kill_matrix_of_applications.py`.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote_plus, urlsplit

import pytest
from tests.support import organization_matrix
from tests.support.organization_matrix import HeldInOrganization
from tests.support.organizations import Operating
from tests.support.server import CHEAP_ARGON2, OUTBOX, RunningServer, SettableClock, gatepass_serve, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import JoseError, jwt
from gatepass.server.base.settings import load
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from tests.support.organization_matrix import EndingInOrganization

API = "https://orders.example.test"
CLAIMS = {"plan": "user.app_metadata.plan", "seats": "organization.metadata.plan"}

ARTEFACTS = {
    "user's access token, at a verifier": "The token is verified offline by an API whose verifier follows the feed.",
    "user's access token, introspected": "An API asks the server by RFC 7662.",
    "user's access token, at `/me`": "The server's own calls.",
    "refresh token": "`POST /refresh`, or `/oauth/token` at the grant's client.",
    "cookie session": "The same for a sign-in in cookie mode.",
    "sign-in link in an email": "A link requested before the event, in the browser or application that requested it.",
    "client's own token, at a verifier": "From `client_credentials`.",
    "client's own token, introspected": "From `client_credentials`.",
    "client's credentials": "Whether the client can still get tokens.",
}


class Client(NamedTuple):
    """An OAuth client's credentials."""

    id: str
    secret: str

    @property
    def basic(self) -> dict[str, str]:
        """The header of client_secret_basic."""
        credentials = f"{quote_plus(self.id)}:{quote_plus(self.secret)}".encode()
        return {"authorization": "Basic " + base64.b64encode(credentials).decode()}


class World:
    """Two processes on one database, a verifier that follows the second, an operator, and a client that watches."""

    def __init__(
        self, here: RunningServer, there: RunningServer, verifier: Verifier, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.here, self.there, self.verifier = here, there, verifier
        self.processes = 1 if here is not there else 2
        self._capsys = capsys
        self.watcher = self.register("--audience", API)

    def operate(self, *words: str) -> str:
        """Run a command on the database; what it prints."""
        self._capsys.readouterr()
        main([*words, *self.here.place])
        return self._capsys.readouterr().out

    def register(self, *words: str) -> Client:
        """Add a client."""
        answer = json.loads(self.operate("client", "add", "bench", *words, "--json"))
        return Client(answer["client_id"], answer["client_secret"])

    def sign_up(self) -> dict[str, str]:
        """Add somebody with a role and a verified address."""
        person = {"email": f"{secrets.token_hex(4)}@example.test", "password": "a password of good length"}
        with self.here.client() as api:
            assert api.post("/signup", json=person).status_code == 201
            headers = bearer(api.post("/login", json=person).json())
            api.post("/account/email", json={"email": person["email"]}, headers=headers)
            verified = {"token": newest_token(api, "/pages/account/email/confirm")}
            assert api.post("/account/email/confirm", json=verified, headers=headers).status_code == 204
        self.operate("user", "role", person["email"], "admin")
        return person


def verifies(verifier: Verifier, token: str) -> bool:
    """Whether a verifier takes a token, which is good but for what has been revoked."""
    try:
        verifier.verify(token)
    except JoseError as error:
        # A key that is compromised is out of the JWKS too, of which the verifier may hear first.
        if error.code not in ("revoked", "unknown_key"):
            raise
        return False
    return True


class Held:
    """What somebody and their clients hold before the event, and whether each still works, seen from over there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person = world.sign_up()
        self.client = world.register("--grant", "client_credentials", "--grant", "refresh_token", "--audience", API)
        with world.here.client() as api:
            self.pair = api.post("/login", json=self.person).json()
            self.cookie_pair = self._cookie_login(api)
            self.own = self._own_token(api)
            self.links = [self._sign_in_link(api) for _ in range(2)]

    def _cookie_login(self, api: httpx.Client) -> dict[str, str]:
        answer = api.post("/login", json={**self.person, "cookie": True})
        return {"token": answer.json()["token"], "cookie": answer.cookies[self.world.here.cookie()]}

    def _sign_in_link(self, api: httpx.Client) -> dict[str, str]:
        challenge = api.post("/login/email", json={"email": self.person["email"]}).json()["challenge"]
        return {"challenge": challenge, "token": newest_token(api, "/pages/login/link")}

    def _own_token(self, api: httpx.Client) -> str:
        answer = api.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=self.client.basic)
        token: str = answer.json()["access_token"]
        return token

    def held_by_client(self) -> None:
        """Let the person sign in at the client instead: its tokens are what the event is about."""
        with self.world.here.client() as api:
            self.pair = api.post("/login", json={**self.person, "client_id": self.client.id}).json()

    def works(self, artefact: str) -> bool:
        """Try one of them over there."""
        with self.world.there.client() as api:
            return {
                "user's access token, at a verifier": lambda: self._verifies(self.pair["token"]),
                "user's access token, introspected": lambda: self._is_active(api, self.pair["token"]),
                "user's access token, at `/me`": lambda: self._me(api, self.pair["token"]),
                "refresh token": lambda: self._refreshes(api),
                "cookie session": lambda: self._cookie_works(api),
                "sign-in link in an email": lambda: self._link_works(api),
                "client's own token, at a verifier": lambda: self._verifies(self.own),
                "client's own token, introspected": lambda: self._is_active(api, self.own),
                "client's credentials": lambda: self._authenticates(api),
            }[artefact]()

    def _verifies(self, token: str) -> bool:
        return verifies(self.world.verifier, token)

    def _is_active(self, api: httpx.Client, token: str) -> bool:
        answer = api.post("/oauth/introspect", data={"token": token}, headers=self.world.watcher.basic)
        active: bool = answer.json()["active"]
        return active

    def _me(self, api: httpx.Client, token: str) -> bool:
        return api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200

    def _refreshes(self, api: httpx.Client) -> bool:
        token = self.pair["refresh_token"]
        if jwt.peek(self.pair["token"]).claims["client_id"] == "first-party":
            return api.post("/refresh", json={"refresh_token": token}).status_code == 200
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return api.post("/oauth/token", data=form, headers=self.client.basic).status_code == 200

    def _cookie_works(self, api: httpx.Client) -> bool:
        headers = {
            "origin": self.world.there.url,
            "gatepass-request": "1",
            "cookie": f"{self.world.there.cookie()}={self.cookie_pair['cookie']}",
        }
        return api.post("/refresh", headers=headers).status_code == 200

    def _link_works(self, api: httpx.Client) -> bool:
        """Use one up; the last is for after the event."""
        link = self.links.pop() if len(self.links) > 1 else self.links[0]
        return api.post("/login/email/code", json=link).status_code == 200

    def _authenticates(self, api: httpx.Client) -> bool:
        form = {"grant_type": "client_credentials"}
        return api.post("/oauth/token", data=form, headers=self.client.basic).status_code == 200


def newest_token(api: httpx.Client, page: str) -> str:
    """The token of the newest link to a page, from the outbox, which is there under the issuer's own name."""
    issuer = api.get("/.well-known/oauth-authorization-server").json()["issuer"]
    return str(api.get(OUTBOX, headers={"host": urlsplit(issuer).netloc}).text.partition(f"{page}?token=")[2][:43])


class Event(NamedTuple):
    """Something that ends something: what it is, how it happens, and what is dead after it; all else lives."""

    title: str
    happen: Callable[[World, Held], None]
    kills: frozenset[str]
    at_client: bool = False


SESSION = frozenset(
    {
        "user's access token, at a verifier",
        "user's access token, introspected",
        "user's access token, at `/me`",
        "refresh token",
    }
)
EVERYTHING_OF_A_PERSON = SESSION | {"cookie session"}
EVERY_WAY_IN = EVERYTHING_OF_A_PERSON | {"sign-in link in an email"}
OWN = frozenset({"client's own token, at a verifier", "client's own token, introspected"})
TOKEN = SESSION - {"refresh token"}
AT_CLIENT = SESSION - {"user's access token, at `/me`"}


def _logout(world: World, held: Held) -> None:
    with world.here.client() as api:
        api.post("/logout", headers={"authorization": f"Bearer {held.pair['token']}"})


def _logout_cookie(world: World, held: Held) -> None:
    headers = {"origin": world.here.settings.issuer_url, "gatepass-request": "1"}
    with world.here.client(cookies={world.here.cookie(): held.cookie_pair["cookie"]}) as api:
        assert api.post("/logout", headers=headers).status_code == 204


def logout_everywhere(world: World, held: Held) -> None:
    """Sign out of every session."""
    with world.here.client() as api:
        api.post("/logout/all", headers={"authorization": f"Bearer {held.pair['token']}"})


def _end_session(world: World, held: Held) -> None:
    with world.here.client() as api:
        ended = jwt.peek(held.pair["token"]).claims["sid"]
        assert api.delete(f"/sessions/{ended}", headers=bearer(held.cookie_pair)).status_code == 204


def _revoke(kind: str) -> Callable[[World, Held], None]:
    def happen(world: World, held: Held) -> None:
        token = {"access": held.pair["token"], "refresh": held.pair["refresh_token"], "own": held.own}[kind]
        with world.here.client() as api:
            answer = api.post("/oauth/revoke", data={"token": token}, headers=held.client.basic)
            assert answer.status_code == 200

    return happen


def _reuse(world: World, held: Held) -> None:
    with world.here.client() as api:
        current = held.pair["refresh_token"]
        for _ in range(2):
            world.here.clock.advance(61)
            current = api.post("/refresh", json={"refresh_token": current}).json()["refresh_token"]
        answer = api.post("/refresh", json={"refresh_token": held.pair["refresh_token"]})
        assert answer.json()["code"] == "refresh_token_reused"
        held.pair["refresh_token"] = current


def command(*words: str, stdin: str = "") -> Callable[[World, Held], None]:
    """Run a command about the person or the client."""

    def happen(world: World, held: Held) -> None:
        places = {"EMAIL": held.person["email"], "CLIENT": held.client.id}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(stdin))
            world.operate(*(places.get(word, word) for word in words))

    return happen


def bearer(pair: dict[str, str]) -> dict[str, str]:
    """The header of a pair of tokens."""
    return {"authorization": f"Bearer {pair['token']}"}


def _new_password(world: World, held: Held) -> None:
    with world.here.client() as api:
        new = {"password": "another good long password"}
        answer = api.post("/account/password", json=new, headers=bearer(held.cookie_pair))
        assert answer.status_code == 204


def forgotten_password(world: World, held: Held) -> None:
    """Set another password by a link in a mail."""
    with world.here.client() as api:
        api.post("/password/forgotten", json={"email": held.person["email"]})
        new = {"token": newest_token(api, "/pages/reset"), "password": "another good long password"}
        assert api.post("/password/reset", json=new).status_code == 204


def _lock_down(world: World, held: Held) -> None:
    with world.here.client() as api:
        api.post("/account/password", json={"password": held.person["password"]}, headers=bearer(held.pair))
        token = newest_token(api, "/pages/lock")
        held.pair = api.post("/login", json=held.person).json()
        held.cookie_pair = held._cookie_login(api)
        held.links = [held._sign_in_link(api)]
        assert api.post("/account/lock", json={"token": token}).status_code == 204


def _new_address(world: World, held: Held) -> None:
    with world.here.client() as api:
        new = f"{secrets.token_hex(4)}@example.test"
        api.post("/account/email", json={"email": new}, headers=bearer(held.pair))
        confirmed = {"token": newest_token(api, "/pages/account/email/confirm")}
        assert api.post("/account/email/confirm", json=confirmed, headers=bearer(held.pair)).status_code == 204


def _edit_profile(world: World, held: Held) -> None:
    with world.here.client() as api:
        edited = {"name": "Somebody", "metadata": {"plan": "everything"}}
        assert api.patch("/account", json=edited, headers=bearer(held.pair)).status_code == 200


def _revoke_globally(world: World, held: Held) -> None:
    client = world.register("--scope", "sessions:revoke")
    with world.here.client() as api:
        asked = {"grant_type": "client_credentials", "scope": "sessions:revoke"}
        token = api.post("/oauth/token", data=asked, headers=client.basic).json()["access_token"]
        whom = {"sub_id": {"format": "email", "email": held.person["email"]}}
        answer = api.post("/oauth/revoke-global", json=whom, headers=bearer({"token": token}))
        assert answer.status_code == 204


def delete_account(world: World, held: Held) -> None:
    """Delete the person's account."""
    with world.here.client() as api:
        assert api.delete("/account", headers=bearer(held.pair)).status_code == 204


def compromise(world: World, held: Held) -> None:
    """Take the key of the access tokens out of the world."""
    kid = jwt.peek(held.pair["token"]).headers["kid"]
    world.operate("key", "compromise", str(kid))


APP_METADATA = "`app_metadata` changed that tokens carry"

EVENTS: tuple[Event, ...] = (
    Event("logout", _logout, SESSION),
    Event("logout of a cookie session", _logout_cookie, frozenset({"cookie session"})),
    Event("logout everywhere", logout_everywhere, EVERYTHING_OF_A_PERSON),
    Event("a session ended from another device", _end_session, SESSION),
    Event("refresh token reused", _reuse, SESSION),
    Event("password changed, in the cookie session", _new_password, SESSION | {"sign-in link in an email"}),
    Event("password reset by email", forgotten_password, EVERY_WAY_IN),
    Event('"this wasn\'t me" in an email', _lock_down, EVERY_WAY_IN),
    Event("email address changed", _new_address, frozenset({"sign-in link in an email"})),
    Event("account deleted", delete_account, EVERY_WAY_IN),
    Event("`/oauth/revoke` of a refresh token", _revoke("refresh"), AT_CLIENT, at_client=True),
    Event("`/oauth/revoke` of an access token", _revoke("access"), AT_CLIENT & TOKEN, at_client=True),
    Event("`/oauth/revoke` of a client's own token", _revoke("own"), OWN),
    Event("`gatepass user logout`", command("user", "logout", "EMAIL"), EVERYTHING_OF_A_PERSON),
    Event("`/oauth/revoke-global`, by an identity provider", _revoke_globally, EVERYTHING_OF_A_PERSON),
    Event("`gatepass user disable`", command("user", "disable", "EMAIL"), EVERY_WAY_IN),
    Event(
        "`gatepass user password`",
        command("user", "password", "EMAIL", stdin="another good long password\n"),
        EVERY_WAY_IN,
    ),
    Event("`gatepass user reset-factors`", command("user", "reset-factors", "EMAIL"), EVERYTHING_OF_A_PERSON),
    Event("a role removed", command("user", "role", "EMAIL", "admin", "--remove"), TOKEN),
    Event(APP_METADATA, command("user", "metadata", "EMAIL", '{"plan": "pro"}'), TOKEN),
    Event("name and `metadata` changed by the person", _edit_profile, frozenset()),
    Event(
        "`gatepass client rotate-secret`", command("client", "rotate-secret", "CLIENT"), OWN | {"client's credentials"}
    ),
    Event(
        "`gatepass client disable`",
        command("client", "disable", "CLIENT"),
        OWN | AT_CLIENT | {"client's credentials"},
        at_client=True,
    ),
    Event(
        "`gatepass client remove`",
        command("client", "remove", "CLIENT"),
        OWN | AT_CLIENT | {"client's credentials"},
        at_client=True,
    ),
)


# The last one, since it ends the tokens of everybody: what the others hold is signed with the same key.
COMPROMISED = Event("`gatepass key compromise`", compromise, TOKEN | OWN)
EVENTS = (*EVENTS, COMPROMISED)


@pytest.fixture(scope="module", params=["sqlite", "postgres18"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[RunningServer, RunningServer]]:
    """Two servers on one database, with one issuer, the second's URL; and that on either kind of database."""
    data_dir, clock = tmp_path_factory.mktemp("matrix"), SettableClock(float(int(time.time())))
    database = "" if request.param == "sqlite" else request.getfixturevalue(request.param).migrated_database()
    open_to_all = {"dynamic_registration": "open", "client_id_metadata_documents": "open"}
    common: dict[str, Any] = {
        "audience": (API,),
        "attempts_per_address": 10_000,
        "database": database,
        "claims": CLAIMS,
        **open_to_all,
    }
    with (
        running_server(data_dir, clock, **common) as there,
        running_server(data_dir, clock, issuer=there.url, **common) as here,
    ):
        yield here, there


@pytest.fixture
def cheap_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands hash as cheaply as the servers do, and know what their tokens carry."""
    monkeypatch.setenv("GATEPASS_CLAIMS", json.dumps(CLAIMS))
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))


@pytest.fixture
def world(
    servers: tuple[RunningServer, RunningServer], capsys: pytest.CaptureFixture[str], cheap_commands: None
) -> Generator[World]:
    """The servers, and a verifier of the API that follows the second."""
    here, there = servers
    with Verifier(issuer=there.url, audience=API, clock=there.clock) as verifier:
        yield World(here, there, verifier, capsys)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """`gatepass serve --workers 2` on SQLite: whoever calls, either may answer."""
    data_dir = tmp_path_factory.mktemp("workers")
    limits = {"GATEPASS_ATTEMPTS_PER_ADDRESS": "10000"}
    with gatepass_serve(data_dir, "--workers", "2", "--audience", API, **limits) as (_, url):
        port = urlsplit(url).port
        yield RunningServer(load(flags={"data_dir": str(data_dir), "port": port}), SettableClock(time.time()))


@pytest.fixture
def world_of_workers(
    workers: RunningServer, capsys: pytest.CaptureFixture[str], cheap_commands: None
) -> Generator[World]:
    """The two workers, which cannot be told apart, and a verifier that follows one of them."""
    with Verifier(issuer=workers.url, audience=API) as verifier:
        yield World(workers, workers, verifier, capsys)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.title)
def test_what_each_event_kills(world: World, event: Event) -> None:
    """Before the event everything works; after it, what is marked is dead everywhere, and all else still works."""
    prove(world, event)


@pytest.mark.parametrize("event", [each for each in EVENTS if "gatepass" in each.title], ids=lambda event: event.title)
def test_what_each_command_kills_at_two_workers(world_of_workers: World, event: Event) -> None:
    """The same for what an operator does by a command, beside two processes that serve one socket."""
    prove(world_of_workers, event)


def prove(world: World, event: Event) -> None:
    """Try everything before and after."""
    held = Held(world)
    if event.at_client:
        held.held_by_client()
    applicable = applicable_to(event)
    for artefact in applicable:
        assert held.works(artefact), f"{artefact} before {event.title}"
    event.happen(world, held)
    # Either of two processes behind one socket answers; each may remember a client for a second.
    tries = 1 if world.processes == 1 else 8
    for artefact in applicable:
        if artefact in event.kills:
            eventually(lambda artefact=artefact: not any(held.works(artefact) for _ in range(tries)))  # type: ignore[misc]
    for artefact in applicable:
        assert held.works(artefact) == (artefact not in event.kills), f"{artefact} after {event.title}"


def test_what_each_event_in_an_organization_kills(world: World) -> None:
    """Each of them in an organization of its own, all at once: what names it is dead, all else still works."""
    client = world.register("--grant", "refresh_token", "--audience", API)
    with world.here.client() as api:
        ops = Operating.at(world.here, api)
        held = [(HeldInOrganization(world, ops, client.id), ending) for ending in organization_matrix.ENDINGS]
        _happens_in_organizations(held)


def _happens_in_organizations(held: list[tuple[HeldInOrganization, EndingInOrganization]]) -> None:
    for each, ending in held:
        for artefact in organization_matrix.ARTEFACTS:
            assert each.works(artefact), f"{artefact} before {ending.title}"
    for each, ending in held:
        ending.happen(each)
    for each, ending in held:
        for artefact in ending.kills:
            eventually(lambda each=each, artefact=artefact: not each.works(artefact))  # type: ignore[misc]
        for artefact in organization_matrix.ARTEFACTS:
            assert each.works(artefact) == (artefact not in ending.kills), f"{artefact} after {ending.title}"


def applicable_to(event: Event) -> list[str]:
    """A client's grant is not for the server's own calls, so `/me` has nothing to say of it."""
    return [name for name in ARTEFACTS if not (event.at_client and "/me" in name)]


def test_a_role_that_is_removed_is_not_in_the_next_token(world: World) -> None:
    """The session lives, its access tokens die, and the next refresh carries what is left."""
    held = Held(world)
    command("user", "role", "EMAIL", "admin", "--remove")(world, held)
    with world.there.client() as api:
        renewed = api.post("/refresh", json={"refresh_token": held.pair["refresh_token"]}).json()["token"]
    assert not world.verifier.verify(renewed).roles
    eventually(lambda: not held.works("user's access token, at a verifier"))
    assert world.verifier.verify(renewed).subject
