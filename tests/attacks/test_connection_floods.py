"""Connection floods: strangers hold as many streams or connections as they can, until nobody else is answered."""

from __future__ import annotations

import base64
import json
import re
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from tests.support.server import ANN, gatepass_serve, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import pytest
    from tests.support.server import RunningServer

STREAM = b"GET /revocations HTTP/1.1\r\nHost: a\r\n\r\n"


@contextmanager
def connections(url: str, count: int, said: bytes = b"") -> Generator[list[socket.socket]]:
    """So many connections, each of which says something and is then held."""
    where = urlsplit(url)
    with ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection((where.hostname, where.port), timeout=20))
            for _ in range(count)
        ]
        for each in held:
            each.sendall(said)
        yield held


def statuses(held: list[socket.socket]) -> list[str]:
    """The status of what each is answered."""
    return [each.recv(4_096)[9:12].decode() for each in held]


def new_client(capsys: pytest.CaptureFixture[str], *place: str) -> tuple[str, str]:
    """Register a client; its id and secret."""
    capsys.readouterr()
    main(["client", "add", "orders", *place, "--json"])
    client = json.loads(capsys.readouterr().out)
    return client["client_id"], client["client_secret"]


def is_well(api: httpx.Client) -> None:
    """Health, sign-up, login and refresh go on, each over a new connection."""
    for path in ("/health", "/ready", "/.well-known/jwks.json", "/revocations/snapshot"):
        assert api.get(path, headers={"connection": "close"}).status_code == 200, path
    pair = api.post("/login", json=ANN, headers={"connection": "close"})
    assert pair.status_code == 200
    refreshed = api.post(
        "/refresh", json={"refresh_token": pair.json()["refresh_token"]}, headers={"connection": "close"}
    )
    assert refreshed.status_code == 200


def test_more_streams_than_files_leave_everything_else_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """256 files and 400 strangers that follow the stream: they get a share, and all else is answered, clients too."""
    with gatepass_serve(tmp_path, under=("prlimit", "--nofile=256:256")) as (_, url), httpx.Client(base_url=url) as api:
        assert api.post("/signup", json=ANN).status_code == 201
        client = new_client(capsys, "--data-dir", str(tmp_path))
        with connections(url, 150, STREAM) as first, connections(url, 250, STREAM) as second:
            answered = statuses(first) + statuses(second)
            assert set(answered) == {"200", "503"}
            assert 40 < answered.count("200") < 96
            is_well(api)
            with api.stream("GET", "/revocations", auth=client) as stream:
                assert stream.status_code == 200
                assert next(stream.iter_lines()) == "event: hello"
            refused = api.get("/revocations")
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
            assert 5 <= int(refused.headers["retry-after"]) <= 15
            counted = api.get("/metrics").text
            assert 'gatepass_answers_total{outcome="too_many_streams",path="/revocations"}' in counted


def test_after_a_restart_clients_find_their_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Strangers are back first and take all that they can; each of 40 APIs that authenticate follows all the same."""
    few = ("prlimit", "--nofile=256:256")
    with gatepass_serve(tmp_path, under=few):
        client = new_client(capsys, "--data-dir", str(tmp_path))
    basic = base64.b64encode(":".join(client).encode())
    known = STREAM.replace(b"\r\n\r\n", b"\r\nAuthorization: Basic " + basic + b"\r\n\r\n")
    with gatepass_serve(tmp_path, under=few) as (_, url), connections(url, 120, STREAM) as strangers:
        assert "503" in statuses(strangers)
        with connections(url, 40, known) as apis:
            assert statuses(apis) == ["200"] * 40


def test_the_limit_of_open_files_is_raised_at_the_start(tmp_path: Path) -> None:
    """With a soft limit of 128 and a hard one of 1,024 more than 128 streams are held at once."""
    few_at_first = ("prlimit", "--nofile=128:1024")
    with gatepass_serve(tmp_path, under=few_at_first) as (_, url), connections(url, 200, STREAM) as held:
        assert set(statuses(held)) == {"200"}


def test_connections_that_do_nothing_make_room(tmp_path: Path) -> None:
    """500 connections that say nothing, at most 16 allowed: whoever comes next is answered in place of the oldest."""
    with (
        running_server(tmp_path, max_connections=16) as server,
        connections(server.address, 500),
        server.client() as api,
    ):
        assert api.post("/signup", json=ANN).status_code == 201
        is_well(api)


def test_requests_above_the_limit_of_connections_are_refused_and_counted(tmp_path: Path) -> None:
    """While all connections are at work a further one gets 503 and is counted; only health and metrics are told."""
    half = (
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    with running_server(tmp_path, max_connections=16) as server, connections(server.address, 16, half) as held:
        assert statuses(held) == ["100"] * 16  # each request has arrived: no connection is idle, and gives way
        with server.client() as api:
            answer = api.get("/sessions")
            assert (answer.status_code, answer.json()["code"]) == (503, "too_many_connections")
        with server.client() as api:
            assert api.get("/health").status_code == 200
        with server.client() as api:
            counted = api.get("/metrics").text
    assert 'gatepass_answers_total{outcome="too_many_connections",path="none"} 1.0' in counted
    assert re.search(r"gatepass_connections 1[67]", counted)


def test_one_address_gets_its_share_of_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of three streams to one address the third is refused; another address and a client there are served."""
    with running_server(tmp_path, streams_per_address=2, trusted_proxy=("127.0.0.0/8", "::1/128")) as server:
        client = new_client(capsys, *server.place)
        with server.client() as api, ExitStack() as held:

            def status(address: str, auth: tuple[str, str] | None = None) -> int:
                answer = held.enter_context(
                    api.stream("GET", "/revocations", headers={"x-forwarded-for": address}, auth=auth)
                )
                return answer.status_code

            assert [status("192.0.2.7") for _ in range(3)] == [200, 200, 503]
            assert status("192.0.2.8") == 200
            assert status("192.0.2.7", client) == 200
            assert [status(f"2001:db8::{number}") for number in range(3)] == [200, 200, 503]
            assert status("2001:db8:0:1::") == 200


def test_a_place_is_free_when_its_reader_has_gone(tmp_path: Path) -> None:
    """Readers that come and go, however they go, take no place with them."""
    with running_server(tmp_path, max_streams=2, reserved_streams=0) as server:
        for _ in range(5):
            with connections(server.address, 2, STREAM) as held:
                assert statuses(held) == ["200", "200"]
            eventually(lambda: "gatepass_stream_readers 0.0" in metrics(server))


def metrics(server: RunningServer) -> str:
    """What is counted."""
    with server.client() as api:
        return api.get("/metrics").text


def test_wrong_credentials_get_no_stream(tmp_path: Path) -> None:
    """Whoever claims to be a client and is none is told so, and not served as somebody else."""
    with running_server(tmp_path) as server, server.client() as api:
        refused = api.get("/revocations", auth=("cli_nobody", "a guess"))
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_client")


def test_no_stream_is_held_for_ever(tmp_path: Path) -> None:
    """A stream ends by itself when its time is over, so that its place is there for others."""
    with running_server(tmp_path, stream_seconds=1) as server, server.client() as api:
        with api.stream("GET", "/revocations") as stream:
            first, *_ = stream.iter_lines()
            assert first == "event: hello"
        assert "gatepass_stream_readers 0.0" in metrics(server)
