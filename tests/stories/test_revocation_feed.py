"""What is revoked reaches everybody: by status list, by snapshot, and by a stream that can be resumed."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import KeySet, jwt
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.store.opening import open_database
from gatepass.tokens import revocation_event, revocation_snapshot, status_list
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator

    import httpx
    from tests.support.server import RunningServer

    from gatepass.server.domain.ports import Transaction
    from gatepass.tokens.revocation_event import RevocationEvent
    from gatepass.tokens.revocation_snapshot import Snapshot
    from gatepass.tokens.status_list import StatusList


def place_of(token: str) -> tuple[str, int]:
    """The list and the index that a token names."""
    reference = jwt.peek(token).claims["status"]["status_list"]
    return reference["uri"], reference["idx"]


class Verifying:
    """What a verifier does with the documents, by hand."""

    def __init__(self, server: RunningServer, api: httpx.Client) -> None:
        self._issuer = server.url
        self._now = server.clock.now
        self._api = api

    @property
    def keys(self) -> KeySet:
        """The published keys."""
        return KeySet.from_jwks(self._api.get("/.well-known/jwks.json").content)

    def status_list(self, uri: str) -> StatusList:
        """Fetch and check a list."""
        return status_list.check(self._api.get(uri).text, self.keys, issuer=self._issuer, uri=uri, now=self._now)

    def is_revoked(self, token: str) -> bool:
        """Look at the token's bit."""
        uri, index = place_of(token)
        return self.status_list(uri).unpack()[index]

    def snapshot(self) -> Snapshot:
        """Fetch and check the snapshot."""
        text = self._api.get("/revocations/snapshot").text
        return revocation_snapshot.check(text, self.keys, issuer=self._issuer, now=self._now)

    def event(self, data: str) -> RevocationEvent:
        """Check an event."""
        return revocation_event.check(data, self.keys, issuer=self._issuer, now=self._now)


@pytest.fixture
def verifying(server: RunningServer, api: httpx.Client) -> Verifying:
    """A verifier by hand."""
    return Verifying(server, api)


class Message(dict[str, str]):
    """A server-sent event: its fields."""


@contextmanager
def stream(server: RunningServer, **headers: str) -> Generator[Iterator[Message]]:
    """Follow the stream; gives its messages one by one."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with server.client() as client, client.stream("GET", "/revocations", headers=sent) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _messages(answer.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[Message]:
    message = Message()
    for line in lines:
        if not line and message:
            yield message
            message = Message()
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            message[name] = value


def test_a_logout_sets_the_bit_of_that_session_only(
    api: httpx.Client, ann: dict[str, str], verifying: Verifying
) -> None:
    """Every session has a place of its own; the one that ended is revoked in the list, and stays so."""
    ended, other = (api.post("/login", json=ann).json()["token"] for _ in range(2))
    assert place_of(ended) != place_of(other)
    api.post("/logout", headers={"authorization": f"Bearer {ended}"})
    eventually(lambda: verifying.is_revoked(ended))
    assert not verifying.is_revoked(other)


def test_a_list_is_what_the_draft_says(api: httpx.Client, ann: dict[str, str], server: RunningServer) -> None:
    """Its media type, `ttl`, size and caching; gzipped for who takes that; 304 for who has it."""
    uri, _ = place_of(api.post("/login", json=ann).json()["token"])
    answer = api.get(uri, headers={"accept-encoding": "gzip"})
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    assert answer.headers["cache-control"] == "public, max-age=30"
    claims = jwt.peek(answer.text).claims
    assert (claims["sub"], claims["ttl"], claims["status_list"]["bits"]) == (uri, 30, 1)
    assert api.get(uri, headers={"if-none-match": answer.headers["etag"], "accept-encoding": "gzip"}).status_code == 304
    assert api.get(f"{server.url}/status/99").status_code == 404
    assert api.get(f"{server.url}/status/x").status_code == 404


def test_nothing_public_names_a_person(api: httpx.Client, ann: dict[str, str], server: RunningServer) -> None:
    """Lists, snapshot and events hold places and names of tokens and keys; no user, no session, no address."""
    token = api.post("/login", json=ann).json()["token"]
    claims = jwt.peek(token).claims
    with stream(server) as messages:
        next(messages)
        api.post("/logout", headers={"authorization": f"Bearer {token}"})
        event = next(messages)
    uri, _ = place_of(token)
    said = json.dumps([jwt.peek(text).claims for text in (event["data"], api.get(uri).text)])
    said += json.dumps(jwt.peek(api.get("/revocations/snapshot").text).claims)
    for private in (claims["sub"], claims["sid"], claims["jti"], ann["email"]):
        assert private not in said


def test_the_metadata_say_where_the_feed_is(api: httpx.Client, server: RunningServer) -> None:
    """Both documents name stream and snapshot, at the issuer's own origin, and both answer."""
    for place in ("oauth-authorization-server", "openid-configuration"):
        found = api.get(f"/.well-known/{place}").json()
        assert found["revocations_uri"] == f"{server.url}/revocations"
        assert found["revocations_snapshot_uri"] == f"{server.url}/revocations/snapshot"
    assert api.get("/revocations/snapshot").status_code == 200
    with api.stream("GET", "/revocations") as answer:
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"


def test_the_stream_says_hello_and_then_what_is_revoked(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, verifying: Verifying
) -> None:
    """Each message is a signed event with a position; a reader sees by `after` that it has missed none."""
    tokens = [api.post("/login", json=ann).json()["token"] for _ in range(2)]
    with stream(server) as messages:
        hello = json.loads(next(messages)["data"])
        seen: list[RevocationEvent] = []
        for token in tokens:
            api.post("/logout", headers={"authorization": f"Bearer {token}"})
            message = next(messages)
            seen.append(verifying.event(message["data"]))
            assert message["event"] == "revoked"
            assert message["id"] == str(seen[-1].position) == seen[-1].jti
    assert [event.revoked.after for event in seen] == [hello["event_id"], seen[0].position.event_id]
    assert [event.revoked.status for event in seen] == [((place_of(t)[0], (place_of(t)[1],)),) for t in tokens]


def test_a_reader_resumes_where_it_was(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, verifying: Verifying
) -> None:
    """With `Last-Event-ID` the reader gets in one message what happened since; with no such header, nothing of it."""
    tokens = [api.post("/login", json=ann).json()["token"] for _ in range(3)]
    with stream(server) as messages:
        next(messages)
        api.post("/logout", headers={"authorization": f"Bearer {tokens[0]}"})
        position = next(messages)["id"]
        api.post("/logout", headers={"authorization": f"Bearer {tokens[1]}"})
        next(messages)
        api.post("/logout", headers={"authorization": f"Bearer {tokens[2]}"})
        last = next(messages)["id"]
    with stream(server, last_event_id=position) as messages:
        assert next(messages)["event"] == "hello"
        message = next(messages)
    assert message["id"] == last
    missed = verifying.event(message["data"]).revoked
    assert sorted(index for _, indexes in missed.status for index in indexes) == sorted(
        place_of(token)[1] for token in tokens[1:]
    )
    with stream(server, last_event_id=last) as messages:
        assert next(messages)["event"] == "hello"


async def do(server: RunningServer, unit: Callable[[Transaction], Awaitable[None]]) -> None:
    """Run a unit in another process, as it were."""
    async with open_database(server.settings, server.clock) as database:
        await database.transaction(unit)


def test_a_flood_of_revocations_is_read_from_the_documents(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, verifying: Verifying
) -> None:
    """More than 10,000 at once make no event without bound: readers, also those that resume, are sent to the lists."""

    async def unit(tx: Transaction) -> None:
        await tx.revocations.revoke_indexes([StatusIndex(1, index) for index in range(10_001)], tx.now)

    uri, _ = place_of(api.post("/login", json=ann).json()["token"])
    with stream(server) as messages:
        position = json.loads(next(messages)["data"])
        asyncio.run(do(server, unit))
        assert next(messages)["event"] == "resync"
    bits = verifying.status_list(uri).unpack()
    assert all(bits[index] for index in range(10_001))
    with stream(server, last_event_id=f"{position['epoch']}:{position['event_id']}") as messages:
        assert next(messages)["event"] == "resync"


def test_a_reader_of_another_epoch_is_sent_to_the_documents(server: RunningServer) -> None:
    """An unknown epoch, or a position that we have not come to: `resync`."""
    with stream(server) as messages:
        epoch = json.loads(next(messages)["data"])["epoch"]
    for position in ("0000000000000000:1", f"{epoch}:999999"):
        with stream(server, last_event_id=position) as messages:
            assert next(messages)["event"] == "resync", position


def test_what_is_no_position_is_as_good_as_none(server: RunningServer) -> None:
    """A header that is nonsense gets a plain hello."""
    for position in ("nonsense", "x:y:z", "1", ":", "é:1"):
        with server.client() as client, client.stream("GET", "/revocations", params={"after": position}) as answer:
            assert next(_messages(answer.iter_lines()))["event"] == "hello", position


def test_a_command_reaches_every_stream(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, verifying: Verifying
) -> None:
    """What `gatepass user disable` ends, in another process, is told to the readers of this one."""
    token = api.post("/login", json=ann).json()["token"]
    with stream(server) as messages:
        next(messages)
        main(["user", "disable", ann["email"], *server.place])
        event = verifying.event(next(messages)["data"])
    assert event.revoked.status == ((place_of(token)[0], (place_of(token)[1],)),)


def test_a_lost_role_kills_the_tokens_and_keeps_the_session(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, verifying: Verifying
) -> None:
    """Taking a role sets the bit and moves the grant: the next refresh has another place and what roles are left."""
    data_dir = server.place
    main(["user", "role", ann["email"], "admin", *data_dir])
    pair = api.post("/login", json=ann).json()
    main(["user", "role", ann["email"], "admin", "--remove", *data_dir])
    eventually(lambda: verifying.is_revoked(pair["token"]))
    renewed = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["token"]
    assert place_of(renewed) != place_of(pair["token"])
    assert not verifying.is_revoked(renewed)
    assert "roles" not in jwt.peek(renewed).claims


def test_a_stolen_refresh_token_revokes_the_access_token(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock, verifying: Verifying
) -> None:
    """The refusal `refresh_token_reused` comes with the bit."""
    pair = api.post("/login", json=ann).json()

    def refresh(token: str) -> Any:  # noqa: ANN401
        return api.post("/refresh", json={"refresh_token": token}).json()

    old = pair["refresh_token"]
    for _ in range(2):
        clock.advance(60)
        pair = refresh(pair["refresh_token"])
    assert refresh(old)["code"] == "refresh_token_reused"
    eventually(lambda: verifying.is_revoked(pair["token"]))


def test_a_bit_is_0_again_when_no_token_can_be_alive(tmp_path: Any) -> None:  # noqa: ANN401
    """One token life and some minutes after the end, the list forgets; the place is not given out again."""
    clock = SettableClock()
    with running_server(tmp_path, clock, status_list_seconds=2) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        api.post("/logout", headers={"authorization": f"Bearer {token}"})
        verifying = Verifying(server, api)
        eventually(lambda: verifying.is_revoked(token))
        clock.advance(3_600 + 301)
        verifying = Verifying(server, api)
        eventually(lambda: not verifying.is_revoked(token))
        assert place_of(api.post("/login", json=ANN).json()["token"]) != place_of(token)


def test_streams_end_when_the_server_does(tmp_path: Any) -> None:  # noqa: ANN401
    """Open streams do not hold up the end of the server: they are closed first."""
    with running_server(tmp_path, shutdown_seconds=30) as server:
        client = server.client()
        answer = client.send(client.build_request("GET", "/revocations"), stream=True)
        lines = answer.iter_lines()
        assert next(lines) == "event: hello"
        began = time.monotonic()
    rest = list(lines)
    client.close()
    assert "event: revoked" not in rest
    assert time.monotonic() - began < 15


def test_head_of_the_stream_has_no_body(api: httpx.Client) -> None:
    """HEAD answers at once."""
    answer = api.head("/revocations")
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_api_that_proves_who_it_is_finds_a_place(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401
    """Strangers hold every stream that they may have; a verifier with a client's secret is live all the same."""
    with running_server(tmp_path, max_streams=4, reserved_streams=2) as server, ExitStack() as stack:
        main(["client", "add", "orders", "--json", *server.place])
        client = json.loads(capsys.readouterr().out)
        for _ in range(2):
            stack.enter_context(stream(server))
        policy: dict[str, Any] = {"issuer": server.url, "audience": server.url, "clock": server.clock}
        stranger = stack.enter_context(Verifier(**policy))
        known = stack.enter_context(
            Verifier(client_id=client["client_id"], client_secret=client["client_secret"], **policy)
        )
        assert client["client_secret"] not in repr(known)
        stranger.start()
        known.start()
        eventually(lambda: known.health().feed == "live")
        assert stranger.health().feed == "list only"


@pytest.mark.parametrize("kind", ["sqlite", "postgres18"])
def test_a_list_that_another_node_has_just_opened(request: pytest.FixtureRequest, tmp_path: Any, kind: str) -> None:  # noqa: ANN401
    """A verifier that is faster than the node's next reading gets the list, where a 404 would keep it waiting."""
    database = "" if kind == "sqlite" else request.getfixturevalue(kind).migrated_database()
    clock = SettableClock()
    with (
        running_server(tmp_path / "data", clock, database=database) as there,
        running_server(tmp_path / "data", clock, database=database, issuer=there.url) as here,
        here.client() as api,
        there.client() as other,
    ):
        assert other.get("/status/1").status_code == 404
        assert api.post("/signup", json=ANN).status_code == 201
        uri, _ = place_of(api.post("/login", json=ANN).json()["token"])
        assert other.get(uri).status_code == 200
        answer = other.get("/status/2")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
