"""An API under gevent or eventlet, where threads are greenlets of one thread, which an event loop may share."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.scripted_issuer import ScriptedIssuer, answer
from tests.support.wait import eventually

from gatepass.jose import Key

if TYPE_CHECKING:
    from collections.abc import Generator

KINDS = ("gevent", "eventlet")


@contextmanager
def green_api(kind: str, issuer: ScriptedIssuer, *more: str) -> Generator[httpx.Client]:
    """Run the API in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.green_api", kind, issuer.url, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
                yield client
        finally:
            process.kill()


def ask(client: httpx.Client, token: str, path: str = "/") -> int:
    """Ask with a token; the status."""
    return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


@pytest.mark.parametrize("kind", KINDS)
def test_keys_rotate_under_greenlets(kind: str) -> None:
    """The first token, one after a rotation, one of nobody's key, and twenty at once: each gets the right answer."""
    with ScriptedIssuer() as issuer, green_api(kind, issuer) as client:
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(lambda _: ask(client, issuer.token()), range(20))) == {200}
        assert issuer.count() == 1
        issuer.keys = [Key.generate("ES256")]
        assert ask(client, issuer.token()) == 200
        assert ask(client, issuer.token(Key.generate("ES256"))) == 401


@pytest.mark.parametrize("kind", KINDS)
def test_keys_rotate_while_the_feed_is_followed(kind: str) -> None:
    """The loop that listens to the feed runs for ever in the same thread: keys are fetched all the same, also anew."""
    with ScriptedIssuer(revokes=True) as issuer, green_api(kind, issuer, "feed") as client:
        first = issuer.token(status=issuer.at(1))
        assert ask(client, first) == 200
        eventually(lambda: len(issuer.streams) > 0)
        issuer.keys = [*issuer.keys, Key.generate("ES256")]
        assert ask(client, issuer.token(issuer.keys[-1])) == 200
        issuer.revoke(1)
        eventually(lambda: ask(client, first) == 401)


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_gets_its_token_while_the_feed_is_followed(kind: str) -> None:
    """`ClientCredentials` in the same process has no need of a loop of its own either."""
    with ScriptedIssuer(revokes=True) as issuer, green_api(kind, issuer, "feed") as client:
        made = json.dumps({"access_token": "t", "token_type": "Bearer", "expires_in": 300}).encode()
        issuer.scripts["/oauth/token"] = lambda connection: answer(connection, made)
        assert ask(client, issuer.token(status=issuer.at(1))) == 200
        eventually(lambda: len(issuer.streams) > 0)
        assert ask(client, issuer.token(status=issuer.at(2)), "/call") == 200
