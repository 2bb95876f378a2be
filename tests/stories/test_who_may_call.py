"""Who may make which call: every route of a server, walked by strangers and by people with the wrong proof."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.stories.test_oauth import ask, register
from tests.support.server import ANN

from gatepass.cli.main import main
from gatepass.server.app import open_server
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.web.auth.requirements import (
    ANY_CLIENT,
    ANYONE,
    CALLER,
    CLIENT,
    MAY_REGISTER,
    OPENID_TOKEN,
    OPERATOR_IMPERSONATE,
    OPERATOR_READ,
    OPERATOR_REVOKE,
    OPERATOR_WRITE,
    RECEIVER_MANAGE,
    RECEIVER_READ,
    RECENT,
    REFRESH,
    REGISTRATION,
    SESSION,
)

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.commands import Registered
    from tests.support.server import RunningServer

    from gatepass.server.web.routing import Route

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
BODIES: tuple[tuple[bytes, dict[str, str]], ...] = (
    (b"", {}),
    (b"{", JSON),
    (b"[]", JSON),
    (b'{"unknown": 1}', JSON),
    (b'{"password": 5, "email": {}, "token": []}', JSON),
    (b"\xff\xfe", JSON),
    (b"[" * 20_000, JSON),
    (b"{}", {"content-type": "text/plain"}),
    (b"a=1&a=2", FORM),
    (b"x" * 200_000, JSON),
)
"""What nobody should have to look at before it is known who sends it."""
BY_TOKEN = (
    OPENID_TOKEN,
    REGISTRATION,
    OPERATOR_READ,
    OPERATOR_WRITE,
    OPERATOR_IMPERSONATE,
    OPERATOR_REVOKE,
    RECEIVER_READ,
    RECEIVER_MANAGE,
)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Route, ...]:
    """Every route of a server with its usual settings."""

    async def read() -> tuple[Route, ...]:
        async with open_server(load(flags={"data_dir": str(tmp_path_factory.mktemp("data"))})) as server:
            return server.routes

    return asyncio.run(read())


class Tried(NamedTuple):
    """A call, and what came of it."""

    call: str
    status: int
    code: str


def walk(api: httpx.Client, routes: list[Route], headers: dict[str, str]) -> set[Tried]:
    """Make each call with every body, on one connection after the other."""
    found: set[Tried] = set()
    for route in routes:
        path = re.sub(r"{\w+}", "ses_nothing", route.path)
        for body, more in BODIES if route.body or route.form else BODIES[:1]:
            answer = api.request(route.method, path, content=body, headers=headers | more)
            told = answer.json()
            found.add(Tried(f"{route.method} {route.path}", answer.status_code, told.get("code") or told.get("error")))
    return found


def all_are(tried: set[Tried], status: int, code: str) -> None:
    """Check that nothing else came of any."""
    assert tried
    assert {each for each in tried if (each.status, each.code) != (status, code)} == set()


@pytest.fixture
def partner(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Registered:
    """Somebody else's client, for which people sign in; with no audience of its own, its tokens name the issuer."""
    grants = ("--grant", "refresh_token", "--grant", "client_credentials")
    return register(server, capsys, *grants, "--scope", "read")


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


def test_every_route_says_who_may_call(routes: tuple[Route, ...]) -> None:
    """What is open to strangers is what has to be: signing up, in and back in, and what is public. All else is not."""
    is_open = re.compile(r"/(signup|login|password|account/lock|revocations|health|ready)(/.*)?")
    for route in routes:
        if route.auth == ANYONE and not route.page:
            assert is_open.fullmatch(route.path), route.path
        if route.path.startswith(("/account", "/pages/account")) and route.path != "/account/lock":
            assert route.auth in (CALLER, RECENT), route.path
        if route.path.startswith("/oauth/") and not route.page:
            assert route.auth in (CLIENT, ANY_CLIENT, OPENID_TOKEN, MAY_REGISTER, REGISTRATION, OPERATOR_REVOKE)


def test_a_stranger_is_told_so_whatever_they_send(api: httpx.Client, routes: tuple[Route, ...]) -> None:
    """Every call that is made for a person answers 401 to no token and to a bad one, before it looks at the body."""
    theirs = [route for route in routes if route.auth.by_person and not route.page]
    assert len(theirs) > 20
    all_are(walk(api, theirs, {}), 401, "missing_token")
    all_are(walk(api, theirs, bearer("nonsense")), 401, "invalid_token")
    assert api.get("/health").status_code == 200


def test_a_token_of_another_client_opens_no_account(
    api: httpx.Client, ann: dict[str, str], partner: Registered, routes: tuple[Route, ...]
) -> None:
    """A token that somebody gave an application to read with can do nothing at this server: not even sign them out.

    Its audience is the issuer where the client was given none, so the audience does not tell it apart.
    """
    theirs = [route for route in routes if route.auth.by_person and not route.page]
    pair = api.post("/login", json=ann | {"client_id": partner.id}).json()
    tried = walk(api, theirs, bearer(pair["token"]))
    all_are(tried, 403, "insufficient_scope")
    challenge = api.get("/me", headers=bearer(pair["token"])).headers["www-authenticate"]
    assert challenge == 'Bearer error="insufficient_scope", scope="gatepass:account"'
    for path in ("/logout", "/logout/all"):
        refused = api.post(path, headers=bearer(pair["token"]))
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
        refused = api.post(path, json={"refresh_token": pair["refresh_token"]})
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_refresh_token")
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert ask(api, partner, **form).status_code == 200  # its session lives


def test_a_clients_own_token_speaks_for_no_person(
    api: httpx.Client, partner: Registered, routes: tuple[Route, ...]
) -> None:
    """A token of client_credentials is told to be the wrong one, rather than to sign in again."""
    theirs = [route for route in routes if route.auth.by_person and not route.page]
    token = ask(api, partner).json()["access_token"]
    all_are(walk(api, theirs, bearer(token)), 401, "invalid_token")


def test_the_operator_can_open_accounts_to_a_client(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client to which the command line gave `gatepass:account` acts for people at this server, where they ask so."""
    trusted = register(
        server, capsys, "--grant", "refresh_token", "--scope", "read", "--scope", "gatepass:account", name="trusted"
    )
    narrow = api.post("/login", json=ann | {"client_id": trusted.id, "scope": "read"}).json()["token"]
    assert api.get("/me", headers=bearer(narrow)).status_code == 403
    wide = api.post("/login", json=ann | {"client_id": trusted.id}).json()["token"]
    assert api.get("/me", headers=bearer(wide)).json()["email"] == ANN["email"]


def test_an_ended_session_is_told_before_the_body_is_looked_at(
    api: httpx.Client, ann: dict[str, str], routes: tuple[Route, ...]
) -> None:
    """A token whose session has ended is one of those that were good."""
    theirs = [route for route in routes if route.auth.by_person and not route.page]
    token = api.post("/login", json=ann).json()["token"]
    api.post("/logout", headers=bearer(token))
    all_are(walk(api, theirs, bearer(token)), 401, "session_ended")


def test_a_wrong_client_is_told_before_its_form_is_looked_at(
    api: httpx.Client, partner: Registered, routes: tuple[Route, ...]
) -> None:
    """At every call for clients a wrong secret is 401 beside any body; the right one is told what is wrong with it."""
    theirs = [route for route in routes if route.auth in (CLIENT, ANY_CLIENT)]
    wrong = partner._replace(secret="wrong").basic
    tried = {each for each in walk(api, theirs, wrong) if each.status != 413}
    all_are(tried, 401, "invalid_client")
    for each in walk(api, theirs, partner.basic):
        assert (each.status, each.code) in {
            (400, "invalid_request"),
            (413, "invalid_request"),
            (415, "invalid_request"),
        }


def test_a_wrong_refresh_token_is_told_before_the_rest_of_the_body(
    api: httpx.Client, routes: tuple[Route, ...]
) -> None:
    """Where the proof is in the body, nothing of it counts before the proof."""
    for route in (route for route in routes if route.auth in (REFRESH, SESSION)):
        answer = api.post(route.path, json={"refresh_token": "gpr_nonsense", "unknown": [1]})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token"), route.path


def test_a_stranger_is_led_to_sign_in_by_every_page(
    api: httpx.Client, server: RunningServer, routes: tuple[Route, ...]
) -> None:
    """A page for people who are signed in leads others to the sign-in page, whatever form they send."""
    theirs = [route for route in routes if route.auth.by_person and route.page]
    assert len(theirs) > 20
    for route in theirs:
        for body, more in BODIES if route.form else BODIES[:1]:
            answer = api.request(route.method, route.path, content=body, headers={"origin": server.url} | more)
            assert answer.status_code == 303, route.path
            assert answer.headers["location"].startswith("/pages/login?return_to="), route.path
        if route.form:
            elsewhere = api.post(route.path, content=b"x=1", headers={"origin": "https://evil.example"} | FORM)
            assert elsewhere.status_code == 403, route.path


def test_what_openapi_says_of_tokens_is_what_is_asked(api: httpx.Client, routes: tuple[Route, ...]) -> None:
    """A call that the description says to need a token needs one, and no other does."""
    paths = api.get("/openapi.json").json()["paths"]
    said = {(method, path) for path, calls in paths.items() for method, call in calls.items() if "security" in call}
    by_token = [each for each in routes if each.auth.by_person or each.auth in BY_TOKEN]
    assert said == {(each.method.lower(), each.path) for each in by_token if not each.page}


def test_another_persons_things_are_not_there(api: httpx.Client, ann: dict[str, str]) -> None:
    """Whoever is signed in finds nobody else's session, passkey, device or account elsewhere by its id."""
    hers = api.post("/login", json=ann).json()["token"]
    session = api.get("/sessions", headers=bearer(hers)).json()["sessions"][0]["id"]
    bob = {"email": "bob@example.test", "password": "another long password"}
    api.post("/signup", json=bob)
    his = api.post("/login", json=bob).json()["token"]
    assert api.delete(f"/sessions/{session}", headers=bearer(his)).json()["code"] == "session_not_found"
    for thing in ("passkeys", "devices", "identities"):
        assert api.delete(f"/account/{thing}/{session}", headers=bearer(his)).status_code == 404
    assert api.get("/me", headers=bearer(hers)).status_code == 200


@pytest.mark.parametrize("scope", ["gatepass:acount", "two words", 'quo"te'])
def test_a_client_gets_no_right_that_there_is_not(server: RunningServer, scope: str) -> None:
    """A typing error in a right of ours is refused aloud; what holds a blank would be two scopes."""
    with pytest.raises(SystemExit):
        main(["client", "add", "worker", "--scope", scope, *server.place])


def test_no_login_asks_for_a_right_at_the_server(tmp_path: Path) -> None:
    """`scopes`, which a first-party login may ask for, cannot hold what only the operator gives a client."""
    with pytest.raises(StartupError, match="gatepass:account"):
        load(flags={"data_dir": str(tmp_path), "scopes": ("gatepass:account",)})
