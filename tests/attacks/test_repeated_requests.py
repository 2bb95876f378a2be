"""Attacks with repeats: a secret is shown twice, to another, with another body, or is kept where it can be read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from starlette.requests import Request
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.server import OUTBOX, running_server

from gatepass.server.app import open_server
from gatepass.server.base.errors import Refusal, StoreUnavailable
from gatepass.server.base.settings import load
from gatepass.server.web.auth.requirements import OPERATOR_WRITE
from gatepass.server.web.repeating import with_repeats
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from starlette.responses import Response
    from tests.support.commands import Registered
    from tests.support.server import RunningServer

SECRET_WORDS = ("secret", "token", "code", "password", "hash", "link")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all of these."""
    with running_server(tmp_path_factory.mktemp("repeats") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def clients(server: RunningServer) -> dict[str, Registered]:
    """Two programs of operators, and one that only reads."""
    scopes = {"ops": "admin:write", "other": "admin:write", "reader": "admin:read"}
    return {name: add_client(server, name, "--scope", scope) for name, scope in scopes.items()}


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


def client(name: str) -> dict[str, object]:
    """What a client is registered with."""
    return {"name": name, "grant_types": ["client_credentials"]}


class Program:
    """A program of an operator's, and its token."""

    def __init__(self, api: httpx.Client, client: Registered, scope: str) -> None:
        self._api = api
        form = {"grant_type": "client_credentials", "scope": scope}
        self._token = api.post("/oauth/token", data=form, headers=client.basic).json()["access_token"]

    def post(self, path: str, body: object, key: str | None = None) -> httpx.Response:
        """Send a request, with a key or without."""
        headers = bearer(self._token) | ({} if key is None else {"idempotency-key": key})
        return self._api.post(path, json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        """Read."""
        return self._api.get(path, headers=bearer(self._token))


@pytest.fixture
def ops(api: httpx.Client, clients: dict[str, Registered]) -> Program:
    """The program of an operator."""
    return Program(api, clients["ops"], "admin:write")


@pytest.fixture
def other(api: httpx.Client, clients: dict[str, Registered]) -> Program:
    """That of another."""
    return Program(api, clients["other"], "admin:write")


def test_a_repeat_shows_no_secret_again(ops: Program) -> None:
    """The second answer is the first one without the secret, and says so; there is one client."""
    first = ops.post("/admin/clients", client("Shop"), key="a")
    again = ops.post("/admin/clients", client("Shop"), key="a")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["client_secret"]
    assert again.json() == {name: value for name, value in first.json().items() if name != "client_secret"}
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert [each["name"] for each in ops.get("/admin/clients").json()["clients"]].count("Shop") == 1


def test_without_a_key_each_request_counts(ops: Program) -> None:
    """As ever."""
    ids = {ops.post("/admin/clients", client("Twice")).json()["client"]["client_id"] for _ in range(2)}
    assert len(ids) == 2


def test_a_key_is_its_senders(ops: Program, other: Program) -> None:
    """Another operator with the same key and body makes a client of their own, and hears nothing of the first."""
    mine = ops.post("/admin/clients", client("Mine"), key="guessed").json()
    theirs = other.post("/admin/clients", client("Mine"), key="guessed").json()
    assert mine["client"]["client_id"] != theirs["client"]["client_id"]
    assert theirs["client_secret"]


def test_a_key_is_for_one_body_and_one_call(ops: Program) -> None:
    """Another body is refused; another call has keys of its own."""
    made = ops.post("/admin/clients", client("One"), key="b").json()["client"]["client_id"]
    refused = ops.post("/admin/clients", client("Two"), key="b")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    rotated = [ops.post(f"/admin/clients/{made}/secret", {}, key="b").json() for _ in range(2)]
    assert rotated[0]["client_secret"]
    assert rotated[1] == {}


def test_what_was_refused_is_tried_again(ops: Program) -> None:
    """A refusal changed nothing, so the key is free."""
    refused = ops.post("/admin/users", {"email": "not an address"}, key="c")
    assert refused.json()["code"] == "invalid_email"
    assert ops.post("/admin/users", {"email": "ada@repeats.test"}, key="c").status_code == 201


def test_what_became_of_it_is_not_guessed(server: RunningServer, ops: Program, clients: dict[str, Registered]) -> None:
    """While the first is at work, or after its process has died, a repeat is told that nobody knows."""
    body = {"email": "lost@repeats.test", "invite": False}
    assert ops.post("/admin/users", body, key="d").status_code == 201
    unfinish(server)
    again = ops.post("/admin/users", body, key="d")
    assert (again.status_code, again.json()["code"]) == (409, "idempotent_request_running")


def unfinish(server: RunningServer) -> None:
    """Leave all requests as they are before they are answered."""

    async def act() -> None:
        async with open_server(server.settings) as opened:

            async def unit(tx: Any) -> None:  # noqa: ANN401 - the connection lies behind the store
                connection = tx.idempotent_requests._connection
                await connection.row("UPDATE idempotent_requests SET status = 0")

            await opened.core.database.transaction(unit)

    asyncio.run(act())


def test_a_lost_commit_is_not_a_refusal(server: RunningServer) -> None:
    """Where the store is lost at the commit, what was asked may have been done: a repeat does not do it again."""
    done: list[object] = []

    async def lose(_call: object, body: object) -> Response:
        done.append(body)
        raise StoreUnavailable

    async def act() -> str:
        async with open_server(server.settings) as opened:
            core = opened.core
            asked = Route(
                method="POST",
                path="/admin/webhooks",
                handler=lose,
                auth=OPERATOR_WRITE,
                summary="Lose the answer",
                answers={201: None},
            )
            once = with_repeats(asked, core.database, core.data_key)
            headers = [(b"idempotency-key", b"lost")]
            request = Request({"type": "http", "method": "POST", "path": asked.path, "headers": headers})
            call: Any = SimpleNamespace(request=request, operator=SimpleNamespace(id="ops"))
            with pytest.raises(StoreUnavailable):
                await once.handler(call, None)
            with pytest.raises(Refusal) as refused:
                await once.handler(call, None)
            return refused.value.code

    assert asyncio.run(act()) == "idempotent_request_running"
    assert len(done) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_is_a_short_word(ops: Program, key: str) -> None:
    """Others are refused before anything happens."""
    refused = ops.post("/admin/clients", client("Never"), key=key)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key")


def test_after_a_day_it_is_forgotten(server: RunningServer, api: httpx.Client, clients: dict[str, Registered]) -> None:
    """Then the same request is a new one, which here finds the address taken."""
    body = {"email": "yesterday@repeats.test"}
    statuses: list[int] = []
    for seconds in (0, 86_399, 2):
        server.clock.advance(seconds)
        statuses.append(Program(api, clients["ops"], "admin:write").post("/admin/users", body, key="e").status_code)
    assert statuses == [201, 201, 409]


def test_answers_are_kept_sealed(server: RunningServer, ops: Program) -> None:
    """Neither a secret nor an address stands in the database's files, which hold the answers for a day."""
    made = ops.post("/admin/clients", client("Sealed"), key="f").json()
    assert ops.post("/admin/users", {"email": "sealed-away@repeats.test"}, key="f").status_code == 201
    files = [path.read_bytes() for path in Path(server.settings.data_dir).iterdir() if path.is_file()]
    assert not any(made["client_secret"].encode() in content for content in files)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Route, ...]:
    """Every call under /admin."""

    async def read() -> tuple[Route, ...]:
        async with open_server(load(flags={"data_dir": str(tmp_path_factory.mktemp("routes"))})) as server:
            return tuple(route for route in server.routes if route.path.startswith("/admin") and not route.page)

    return asyncio.run(read())


def test_every_secret_is_known_as_one(routes: tuple[Route, ...]) -> None:
    """A member whose name sounds secret is among those that are shown once, in each answer that could be repeated."""
    posts = [route for route in routes if route.method == "POST"]
    assert posts
    for route in posts:
        assert route.takes_idempotency_key, route.path
        for kind in route.answers.values():
            members = [] if kind is None else [field.encode_name for field in msgspec.structs.fields(kind)]
            secret = {name for name in members if name != "token_type" and set(name.split("_")) & set(SECRET_WORDS)}
            assert secret <= set(route.shown_once), route.path


def test_reading_shows_no_secret(
    api: httpx.Client, ops: Program, clients: dict[str, Registered], routes: tuple[Route, ...]
) -> None:
    """`admin:read` sees no link, hash or secret, whatever it reads."""
    made = ops.post("/admin/clients", client("Seen")).json()
    person = {"email": "seen@repeats.test", "password": "a password of good length"}
    user = ops.post("/admin/users", person).json()["id"]
    assert ops.post("/admin/users", {"email": "invited@repeats.test", "invite": True}).status_code == 201
    link = api.get(OUTBOX, headers={"host": str(api.base_url.netloc, "ascii")}).text.partition("?token=")[2][:43]
    assert len(link) == 43
    reader = Program(api, clients["reader"], "admin:read")
    places = {"{id}": user, "{audience}": "none", "{kid}": "none", "{client_id}": "none", "{session_id}": "none"}
    read = 0
    for route in routes:
        if route.method == "GET":
            for identifier in (user, made["client"]["client_id"]):
                path = route.path.replace("{id}", identifier)
                for name, value in places.items():
                    path = path.replace(name, value)
                answer = reader.get(path)
                read += answer.status_code == 200
                for secret in (made["client_secret"], link, "$argon2", person["password"]):
                    assert secret not in answer.text, path
    assert read > 8
