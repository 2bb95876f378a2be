"""Three levels of relays between an issuer and a verifier, each its own process."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.relays import relay_process
from tests.support.server import RunningClock, running_server
from tests.support.wait import eventually, soon

from gatepass.jose import JoseError
from gatepass.verify import Verifier
from gatepass.verify.errors import RevokedError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from subprocess import Popen

    from tests.support.server import RunningServer

API = "https://api.example.com"
ANN = {"email": "ann@example.com", "password": "a phrase of four words"}


class Chain:
    """An issuer and its relays, and a verifier that reads the last of them."""

    def __init__(self, server: RunningServer, stack: ExitStack, levels: int = 3) -> None:
        self.server = server
        self.processes: list[Popen[str]] = []
        self.urls: list[str] = []
        for _ in range(levels):
            process, url = stack.enter_context(relay_process(server.url, *reversed(self.urls)))
            self.processes.append(process)
            self.urls.append(url)
        self.verifier = stack.enter_context(
            Verifier(issuer=server.url, audience=API, stale="refuse", relays=self.urls[-1:])
        )

    def sign_in(self) -> dict[str, Any]:
        """A new session."""
        with self.server.client() as api:
            pair: dict[str, Any] = api.post("/login", json=ANN).json()
        return pair

    def log_out(self, pair: dict[str, Any]) -> None:
        """End it."""
        with self.server.client() as api:
            assert api.post("/logout", json={"refresh_token": pair["refresh_token"]}).status_code == 204

    def judges(self, pair: dict[str, Any]) -> str:
        """What becomes of its token."""
        try:
            self.verifier.verify(pair["token"])
        except JoseError as error:
            return error.code
        return "good"


@pytest.fixture
def chain(tmp_path: Path) -> Generator[Chain]:
    """Three levels."""
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(tmp_path, RunningClock(), audience=(API,), attempts_per_address=10_000)
        )
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield Chain(server, stack)


def told(url: str) -> dict[str, Any]:
    """What a relay says of itself."""
    answer: dict[str, Any] = httpx.get(url + "/health").json()
    return answer


def test_a_revocation_through_three_relays(chain: Chain) -> None:
    """Each relay follows the one before; a list comes by demand; a sign-out is known at the verifier at once."""
    assert [told(url)["upstream"] for url in chain.urls] == [chain.server.url, *chain.urls[:2]]
    chain.verifier.start()
    pairs = [chain.sign_in() for _ in range(3)]
    eventually(lambda: {chain.judges(pair) for pair in pairs} == {"good"})
    eventually(lambda: chain.verifier.health().feed == "live")
    for pair in pairs:
        chain.log_out(pair)
        soon(lambda pair=pair: chain.judges(pair) == "revoked")  # type: ignore[misc]
    eventually(lambda: [told(url)["readers"] for url in chain.urls] == [1, 1, 1])
    path = httpx.URL(chain.verifier.verify(chain.sign_in()["token"]).status.uri).path  # type: ignore[union-attr]
    lists = [httpx.get(url + path) for url in (chain.server.url, *chain.urls)]
    assert {each.headers["content-type"] for each in lists} == {"application/statuslist+jwt"}
    assert lists[-1].text.count(".") == 2


def test_the_middle_relay_is_killed_and_comes_back(chain: Chain) -> None:
    """Below it the first one is followed instead, so nothing is lost; what it has missed is caught up with."""
    chain.verifier.start()
    pair = chain.sign_in()
    eventually(lambda: chain.judges(pair) == "good")
    chain.processes[1].kill()
    chain.processes[1].wait()
    chain.log_out(pair)
    eventually(lambda: chain.judges(pair) == "revoked")
    assert told(chain.urls[2])["upstream"] == chain.urls[0]
    port = httpx.URL(chain.urls[1]).port
    assert port is not None
    with relay_process(chain.server.url, chain.urls[0], port=port) as (_, url):
        assert url == chain.urls[1]
        with Verifier(issuer=chain.server.url, audience=API, stale="refuse", relays=[url]) as cold:
            cold.start()
            with pytest.raises(RevokedError):
                cold.verify(pair["token"])
            eventually(lambda: cold.health().feed == "live")
