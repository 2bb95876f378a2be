"""Keys change while the server answers: by themselves, or because somebody else may have one."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.published import document_keys, token_keys
from tests.support.server import ANN, NOON, SettableClock, running_server
from tests.support.wait import eventually, soon

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.jose.errors import JoseError
from gatepass.server.domain.keys.rotation import stored_keys
from gatepass.server.domain.keys.schedule import PUBLISHED_AFTER_RETIREMENT
from gatepass.server.store.opening import open_database
from gatepass.tokens import revocation_event, revocation_snapshot
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

ISSUER = "http://localhost:8000"


def kid_of(token: str) -> str:
    """The key that signed a token."""
    return str(jwt.peek(token).headers["kid"])


def login(api: httpx.Client) -> dict[str, str]:
    """Sign Ann in."""
    pair: dict[str, str] = api.post("/login", json=ANN).json()
    return pair


def status_of_me(api: httpx.Client, token: str) -> int:
    """What the server says to a token of its own."""
    return api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code


async def uses(server: RunningServer) -> list[str]:
    """What the stored keys are for."""
    async with open_database(server.settings, server.clock) as database:
        return [key.use for key in await stored_keys(database)]


def test_a_key_follows_by_itself(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """After 29 days the next key is in the JWKS, after 30 it signs, and an hour later the first is gone for good."""
    old = login(api)["token"]
    server.clock.advance(29 * 86_400)
    eventually(lambda: len(token_keys(api)) == 2)
    assert kid_of(login(api)["token"]) == kid_of(old)
    server.clock.advance(86_400)
    eventually(lambda: kid_of(login(api)["token"]) != kid_of(old))
    assert len(token_keys(api)) == 2
    server.clock.advance(PUBLISHED_AFTER_RETIREMENT)
    eventually(lambda: len(token_keys(api)) == 1)
    eventually(lambda: sorted(asyncio.run(uses(server))) == ["documents", "refresh", "sig"])


def test_the_sdk_follows_every_rotation(tmp_path: Path) -> None:
    """A verifier in front of an API, over three rotations, while 4 clients refresh at once: no refusal.

    Between any two rounds half a minute passes, for all of them.
    """
    with (
        running_server(tmp_path, key_rotation_seconds=3_600, key_prepublish_seconds=600) as server,
        server.client() as api,
    ):
        api.post("/signup", json=ANN)
        verifier = Verifier(issuer=server.url, audience=server.url, clock=server.clock)
        signers: set[str] = set()
        verified: list[str] = []
        rotated = threading.Event()

        def pass_time() -> None:
            """Run in one client, while the others wait."""
            server.clock.advance(30)
            if len(signers) == 4:
                rotated.set()

        round_ends = threading.Barrier(4, action=pass_time, timeout=60)

        def live() -> None:
            """Refresh, and show the token to the API."""
            with server.client() as mine:
                refresh_token = login(mine)["refresh_token"]
                while not rotated.is_set():
                    pair = mine.post("/refresh", json={"refresh_token": refresh_token}).json()
                    refresh_token = pair["refresh_token"]
                    verified.append(verifier.verify(pair["token"]).subject)
                    signers.add(kid_of(pair["token"]))
                    round_ends.wait()

        with ThreadPoolExecutor(4) as pool:
            for client in [pool.submit(live) for _ in range(4)]:
                client.result()
        verifier.close()
        assert len(set(verified)) == 1


@pytest.fixture
def nodes(tmp_path: Path) -> Generator[list[RunningServer]]:
    """Two servers over one store. Commands have the real time, so they have too."""
    with ExitStack() as stack:
        clock = SettableClock(time.time())
        yield [stack.enter_context(running_server(tmp_path, clock, issuer=ISSUER)) for _ in range(2)]


def test_a_compromised_key_is_dead_everywhere(nodes: list[RunningServer], capsys: pytest.CaptureFixture[str]) -> None:
    """Within a second no node signs with it, publishes it or takes its tokens; people refresh and go on.

    The snapshot and the event that tell of it are signed by a key that is published, and it is another one.
    """
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx_client(node)) for node in nodes]
        api = clients[0]
        api.post("/signup", json=ANN)
        pair = login(api)
        stolen = kid_of(pair["token"])
        assert [status_of_me(each, pair["token"]) for each in clients] == [200, 200]
        with api.stream("GET", "/revocations") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: hello"
            main(["key", "compromise", stolen, *nodes[0].place])
            for each in clients:
                soon(lambda each=each: token_keys(each).get(stolen) is None)  # type: ignore[misc]
                assert kid_of(login(each)["token"]) != stolen
                assert status_of_me(each, pair["token"]) == 401
            event = next(line for line in lines if line.startswith("data: ey")).removeprefix("data: ")
        assert "refused from now on" in capsys.readouterr().err

        checked = revocation_event.check(event, document_keys(api), issuer=ISSUER, now=nodes[0].clock.now)
        assert checked.revoked.kids == (stolen,)
        assert kid_of(event) != stolen
        for each in clients:
            snapshot = each.get("/revocations/snapshot").text
            keys = document_keys(each)
            assert revocation_snapshot.check(snapshot, keys, issuer=ISSUER, now=NOON + 60).kids == (stolen,)
            assert kid_of(snapshot) != stolen
        refreshed = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
        assert kid_of(refreshed["token"]) != stolen
        assert [status_of_me(each, refreshed["token"]) for each in clients] == [200, 200]


def httpx_client(node: RunningServer) -> httpx.Client:
    """A client of a node, which listens elsewhere than its issuer says."""
    return httpx.Client(base_url=f"http://localhost:{node.settings.port}", timeout=30)


@pytest.mark.parametrize("is_waiting", [False, True], ids=["a new key", "the key that waits"])
def test_every_verifier_hears_of_a_compromised_key(tmp_path: Path, *, is_waiting: bool) -> None:
    """4 APIs that verify offline refuse its tokens within a second, and take those of the key after it."""
    with running_server(tmp_path, SettableClock(time.time())) as server, server.client() as api, ExitStack() as stack:
        api.post("/signup", json=ANN)
        if is_waiting:
            main(["key", "rotate", "--data-dir", str(tmp_path)])
            eventually(lambda: len(token_keys(api)) == 2)
        token = login(api)["token"]
        verifiers = [Verifier(issuer=server.url, audience=server.url, clock=server.clock) for _ in range(4)]
        for verifier in verifiers:
            stack.callback(verifier.close)
            assert verifier.verify(token).subject
            eventually(lambda verifier=verifier: verifier.health().feed == "live")  # type: ignore[misc]
        main(["key", "compromise", kid_of(token), "--data-dir", str(tmp_path)])
        for verifier in verifiers:
            soon(lambda verifier=verifier: refuses(verifier, token))  # type: ignore[misc]
        eventually(lambda: kid_of(login(api)["token"]) != kid_of(token))
        after = login(api)["token"]
        for verifier in verifiers:
            assert verifier.verify(after).subject


def refuses(verifier: Verifier, token: str) -> bool:
    """Whether a verifier refuses a token."""
    try:
        verifier.verify(token)
    except JoseError:
        return True
    return False


def test_a_client_that_signs_people_in_brings_a_key_for_id_tokens(tmp_path: Path) -> None:
    """Without one there is no RSA key, which would cost each start; with one it is there before the first login."""
    with running_server(tmp_path) as server, server.client() as api:
        assert [key.alg for key in token_keys(api)] == ["ES256"]
        main(["client", "add", "no relying party", "--scope", "read", "--scope", "openid2", *server.place])
        main(["client", "add", "relying party", "--scope", "openid", *server.place])
        eventually(lambda: sorted(key.alg for key in token_keys(api)) == ["ES256", "RS256"])
        api.post("/signup", json=ANN)
        assert jwt.peek(login(api)["token"]).headers["alg"] == "ES256"
