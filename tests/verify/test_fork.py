"""A process that forks in the midst of things, as gunicorn's and uvicorn's workers do: the child begins anew."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer
from tests.support.token_server import TokenServer
from tests.support.wait import eventually

from gatepass.client import ClientCredentials
from gatepass.jose import Key
from gatepass.verify import Introspector
from gatepass.verify.dpop import DPoPPolicy, InMemoryReplays
from gatepass.verify.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")

GOOD: dict[str, Any] = {"active": True, "sub": "user_1", "aud": "my-api", "exp": int(NOW) + 900}


def in_a_child(call: Callable[[], bool]) -> bool:
    """Fork, call in the child, and return what it returned there."""
    child = os.fork()
    if child == 0:  # no test code must go on in here
        try:
            os._exit(0 if call() else 1)
        except BaseException:  # noqa: BLE001 - it ends here, whatever it is
            os._exit(2)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def test_a_service_whose_token_is_being_fetched() -> None:
    """The child does not wait for its parent's fetch, and makes one of its own."""
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        if len(server.sent) == 1:
            go_on.wait(10)
        return 200, {"access_token": f"token-{len(server.sent)}", "token_type": "Bearer"}

    with TokenServer() as server:
        server.answers["/token"] = slowly
        credentials = ClientCredentials(issuer=server.url, client_id="c", client_secret="s", clock=Clock())
        parent = threading.Thread(target=credentials.token)
        parent.start()
        eventually(lambda: len(server.sent) == 1)
        assert in_a_child(lambda: credentials.token() == "token-2")
        go_on.set()
        parent.join(10)
        assert credentials.token() == f"token-{len(server.sent)}"


def test_an_introspector_that_is_asking() -> None:
    """The child asks over a connection of its own."""
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        if len(server.sent) == 1:
            go_on.wait(10)
        return 200, GOOD

    with TokenServer() as server:
        server.answers["/introspect"] = slowly
        by = Introspector(
            issuer=server.url, audience="my-api", client_id="c", client_secret="s", cache_seconds=0, clock=Clock()
        )
        parent = threading.Thread(target=by.verify, args=("opaque",))
        parent.start()
        eventually(lambda: len(server.sent) == 1)
        assert in_a_child(lambda: by.verify("opaque").subject == "user_1")
        go_on.set()
        parent.join(10)
        assert by.verify("opaque").subject == "user_1"
        by.close()


def test_used_proofs_while_somebody_holds_their_lock() -> None:
    """A lock that another thread held when the process forked holds nobody up in the child."""
    replays = InMemoryReplays()
    policy = DPoPPolicy(replays=replays)
    key = Key.generate("ES256").public()
    verifier = Verifier(issuer="https://auth.example.com", audience="my-api", keys=key, dpop=policy)
    with replays._lock:
        assert in_a_child(lambda: replays.spend("a", 60))
    assert verifier.dpop is policy


APPLICATION = """
import os
import time

from gatepass.jose import JoseError
from gatepass.verify import Verifier

verifier = Verifier(issuer=os.environ["ISSUER"], audience="my-api")
verifier.verify(os.environ["TOKEN"])  # before uWSGI forks its workers
while verifier.health().feed != "live":
    time.sleep(0.1)
time.sleep(0.6)  # a fork while another thread waits for the interpreter freezes the child, whatever runs in it


def application(environ, start_response):
    try:
        verifier.verify(os.environ["TOKEN"])
        code = "good"
    except JoseError as error:
        code = error.code
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"{code} {verifier.health().feed}".encode()]
"""


def test_workers_that_were_forked_in_c(tmp_path: Path) -> None:
    """Workers of uWSGI, which says nothing to Python, follow what is revoked all the same."""
    program = Path(sys.executable).with_name("uwsgi")
    if not program.exists():
        pytest.skip("uWSGI is not installed here")
    (tmp_path / "application.py").write_text(APPLICATION)
    with ScriptedIssuer(clock=time.time, revokes=True) as issuer:
        issuer.beats = False
        now = int(time.time())
        token = issuer.token(iat=now, exp=now + 900, status=issuer.at(5))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        options = ["--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2", "--enable-threads"]
        options += ["--die-on-term", "--disable-logging", "--wsgi-file", str(tmp_path / "application.py")]
        environment = {**os.environ, "ISSUER": issuer.url, "TOKEN": token}
        with subprocess.Popen(
            [program, *options], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        ) as server:
            try:
                eventually(lambda: _said(port) == "good live")
                issuer.revoke(5)
                eventually(lambda: _said(port) == "revoked live")
            finally:
                os.killpg(server.pid, signal.SIGKILL)


def _said(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=10).text
    except httpx.TransportError:
        return ""
