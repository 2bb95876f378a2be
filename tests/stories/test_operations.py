"""What an operator sees: readiness with its reasons, metrics, a drain before the end, several workers, traces."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import apsw
import httpx
import pytest
from tests.support.postgres import binaries, postgres
from tests.support.server import ANN, gatepass_serve, running_server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.server import RunningServer

WELL = {"status": "ok", "serving": "ok", "database": "ok", "migrations": "ok", "clock": "ok", "keys": "ok"}


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in said.split()]


def is_gone(url: str) -> bool:
    """Whether nobody listens there any more."""
    try:
        httpx.get(f"{url}/health", timeout=1)
    except httpx.TransportError:
        return True
    return False


def test_ready_when_all_is_well(api: httpx.Client) -> None:
    """Each thing that could keep from serving is named, and is `ok`."""
    answer = api.get("/ready")
    assert (answer.status_code, answer.json()) == (200, WELL)


def test_ready_says_that_the_database_is_away(tmp_path: Path) -> None:
    """PostgreSQL stops: 503 at once, the database is named, calls get 503 with Retry-After; it comes back by itself."""
    with (
        postgres(binaries()["18"]) as store,
        running_server(tmp_path, database=store.url()) as server,
        server.client() as api,
    ):
        assert api.post("/signup", json=ANN).status_code == 201
        pair = api.post("/login", json=ANN).json()
        store.stop()
        answer = api.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["database"] == "unavailable"
        for call in ("/login", "/refresh"):
            body = ANN if call == "/login" else {"refresh_token": pair["refresh_token"]}
            refused = api.post(call, json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert int(refused.headers["retry-after"]) > 0
        assert api.get("/health").status_code == 200
        assert api.get("/.well-known/jwks.json").status_code == 200
        store.start()
        eventually(lambda: api.get("/ready").status_code == 200)
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200


def test_ready_says_that_the_database_is_read_only(tmp_path: Path, postgres18: Postgres) -> None:
    """PostgreSQL takes no writes: 503 with `read_only`, where a question alone would have been answered."""
    url = postgres18.new_database()
    name = url.rpartition("/")[2]
    with running_server(tmp_path, database=url) as server, server.client() as api:
        assert api.get("/ready").status_code == 200
        hang_up = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
        postgres18.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        postgres18.run(hang_up)
        eventually(lambda: api.get("/ready").json()["database"] == "read_only")
        postgres18.run(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off')
        postgres18.run(hang_up)
        eventually(lambda: api.get("/ready").status_code == 200)


def test_ready_writes_once_a_second_at_most(server: RunningServer, api: httpx.Client) -> None:
    """Anybody may ask, and each look is a write: a flood of questions is no flood of writes."""
    began = time.monotonic()
    for _ in range(200):
        assert api.get("/ready").status_code == 200
    with closing(apsw.Connection(str(server.settings.sqlite_path))) as database:
        written = int(database.execute("SELECT COUNT(*) FROM used_once WHERE purpose = 'readiness'").get)
    assert 1 <= written <= time.monotonic() - began + 1


def test_metrics_tell_each_path_with_its_outcome(api: httpx.Client, ann: dict[str, str]) -> None:
    """Answers by path and outcome, their timing, and the process; from this machine without a token."""
    api.post("/login", json=ann)
    api.post("/login", json=ann | {"password": "a wrong password"})
    api.delete("/sessions/ses_0")
    text = api.get("/metrics").text
    assert 'gatepass_answers_total{outcome="ok",path="/login"} 1.0' in text
    assert 'gatepass_answers_total{outcome="invalid_credentials",path="/login"} 1.0' in text
    assert re.search(r'gatepass_answers_total{outcome="\w+",path="/sessions/{id}"} 1.0', text)
    assert 'gatepass_answer_seconds_count{path="/login"} 2.0' in text
    assert "gatepass_stream_readers 0.0" in text
    assert "process_resident_memory_bytes" in text
    assert ann["email"] not in text


def test_metrics_are_for_this_machine_or_for_who_has_the_token(tmp_path: Path) -> None:
    """What came through a proxy is from elsewhere: 404, as if there were nothing; with the token it is told."""
    elsewhere = {"x-forwarded-for": "192.0.2.7"}
    with running_server(tmp_path, metrics_token="a token of the operator's") as server, server.client() as api:
        assert api.get("/metrics").status_code == 200
        assert api.get("/metrics", headers=elsewhere).status_code == 404
        for token, status in (("a token of the operator's", 200), ("another", 404)):
            headers = elsewhere | {"authorization": f"Bearer {token}"}
            assert api.get("/metrics", headers=headers).status_code == status
        assert "a token of" not in repr(server.settings)


def test_a_drain_says_no_before_it_stops(tmp_path: Path) -> None:
    """After SIGTERM /ready is false while everything is still served; then the streams end, and the process."""
    with gatepass_serve(tmp_path, GATEPASS_DRAIN_SECONDS="2") as (process, url), httpx.Client(base_url=url) as api:
        with api.stream("GET", "/revocations") as stream:
            lines = stream.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            eventually(lambda: api.get("/ready").status_code == 503)
            assert api.get("/ready").json() | {"serving": "draining", "status": "not_ready"} == api.get("/ready").json()
            assert api.post("/signup", json=ANN).status_code == 201
            assert list(lines)[-1] == ""
        assert process.wait(timeout=20) == 0


def test_two_workers_serve_one_socket(tmp_path: Path) -> None:
    """Two processes answer; one that is killed is replaced, and what it held is not lost; SIGTERM ends all."""
    with gatepass_serve(tmp_path, "--workers", "2") as (process, url):
        with httpx.Client(base_url=url) as api:
            assert api.post("/signup", json=ANN).status_code == 201
            pair = api.post("/login", json=ANN).json()
        first = children(process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        with ExitStack() as stack:
            several = [stack.enter_context(httpx.Client(base_url=url)) for _ in range(8)]
            for api in several:
                assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
        eventually(lambda: len(children(process.pid)) == 2 and children(process.pid) != first)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert is_gone(url)


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    """The parent is killed outright: the workers see it and stop in order."""
    with gatepass_serve(tmp_path, "--workers", "2") as (process, url):
        process.kill()
        eventually(lambda: is_gone(url))


def test_workers_count_together(tmp_path: Path) -> None:
    """Whichever worker is asked for metrics tells of all of them."""
    with gatepass_serve(tmp_path, "--workers", "2") as (_, url):
        for _ in range(20):
            httpx.get(f"{url}/health")

        def told() -> bool:
            text = httpx.get(f"{url}/metrics").text
            return 'gatepass_answers_total{outcome="ok",path="/health"} 20.0' in text

        eventually(lambda: all(told() for _ in range(6)))


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The reason comes from the child, in the parent's words and exit status."""
    (tmp_path / "gatepass.db").write_bytes(b"my novel, chapter one. " * 1_000)
    with (
        pytest.raises(AssertionError, match="not an SQLite database, or is damaged"),
        gatepass_serve(tmp_path, "--workers", "2"),
    ):
        pass


class Collector(HTTPServer):
    """An OTLP endpoint that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.got: list[bytes] = []


class Receiving(BaseHTTPRequestHandler):
    """Takes every POST."""

    def do_POST(self) -> None:
        """Keep the body."""
        assert isinstance(self.server, Collector)
        self.server.got.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_traces_go_where_they_are_wanted(tmp_path: Path) -> None:
    """A span a request, under the caller's trace, with route, status and outcome; and no secret in it."""
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
        with running_server(tmp_path, traces=endpoint) as server, server.client() as api:
            api.post("/signup", json=ANN)
            trace = "0af7651916cd43dd8448eb211c80319c"
            wrong = ANN | {"password": "a wrong password"}
            api.post("/login", json=wrong, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        sent = b"".join(collector.got)  # the server has sent what was left when it ended
        assert b"POST /login" in sent
        assert b"invalid_credentials" in sent
        assert bytes.fromhex(trace) in sent
        for secret in (ANN["email"], ANN["password"], wrong["password"]):
            assert secret.encode() not in sent
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()


def test_the_answers_are_described(server: RunningServer, api: httpx.Client) -> None:
    """OpenAPI shows both answers of /ready."""
    ready = json.loads(api.get("/openapi.json").text)["paths"]["/ready"]["get"]["responses"]
    assert {"200", "503"} <= set(ready)
    assert server.url
