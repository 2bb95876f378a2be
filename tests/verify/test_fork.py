"""A process that forks in the midst of things, as gunicorn's and uvicorn's workers do: the child begins anew."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

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


FORKED_IN_C = """
import ctypes, os, sys, time
from gatepass.jose import JoseError
from gatepass.verify import Verifier

issuer, token = sys.argv[1:]
verifier = Verifier(issuer=issuer, audience="my-api")
verifier.verify(token)
while verifier.health().feed != "live":
    time.sleep(0.01)
if ctypes.PyDLL(None).fork():  # with the GIL held, and without a word to Python: as uWSGI does
    os.wait()
    os._exit(0)
print("forked", flush=True)
sys.stdin.readline()
verdicts = set()
deadline = time.monotonic() + 10
while "revoked" not in verdicts and time.monotonic() < deadline:
    try:
        verifier.verify(token)
    except JoseError as error:
        verdicts.add(error.code)
    time.sleep(0.01)
while verifier.health().feed != "live" and time.monotonic() < deadline:
    time.sleep(0.01)
print(*verdicts, verifier.health().feed, flush=True)
os._exit(0)
"""


def test_a_process_that_was_forked_in_c() -> None:
    """A server written in C forks without telling Python: the child follows what is revoked all the same."""
    with ScriptedIssuer(clock=time.time, revokes=True) as issuer:
        now = int(time.time())
        token = issuer.token(iat=now, exp=now + 900, status=issuer.at(5))
        command = [sys.executable, "-c", FORKED_IN_C, issuer.url, token]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "forked\n"
            eventually(lambda: len(issuer.streams) == 1)
            issuer.revoke(5)
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "revoked live\n"
