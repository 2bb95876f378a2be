"""A Gatepass server as the foreign issuer: its Shared Signals reach a bridge, and tokens die at a verifier behind it.

The verifier follows nothing of the server's own (`revocation=None`).
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bridges import BEARER, judged, running_bridge
from tests.support.ports import free_port
from tests.support.server import ANN, RunningClock, running_server
from tests.support.signal_receiver import EVERYTHING, PUSH, add_receiver
from tests.support.wait import eventually, soon

from gatepass.bridge.settings import TransmitterSettings
from gatepass.cli.main import main
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


BOB = {"email": "bob@example.test", "password": "another phrase of four words"}


@pytest.mark.parametrize("kind", ["ssf-push", "ssf-poll"])
def test_tokens_die_by_the_signals_of_a_real_transmitter(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sign-out everywhere, and an account that is disabled, end the tokens of sign-ins at the receiver."""
    with running_server(tmp_path / "server", RunningClock()) as server, server.client() as api:
        prove(kind, server, api, tmp_path)
    capsys.readouterr()


def prove(kind: str, server: RunningServer, api: httpx.Client, tmp_path: Path) -> None:
    """Sign in, end it, and see the token refused; twice."""
    for person in (ANN, BOB):
        assert api.post("/signup", json=person).status_code == 201
    receiver, port = add_receiver(server, api), free_port()
    (tmp_path / "secret").write_text(BEARER if kind == "ssf-push" else receiver.party.secret)
    common: dict[str, Any] = {"name": "gatepass", "issuer": server.url, "audience": receiver.party.id}
    if kind == "ssf-push":
        delivery = {
            "method": PUSH,
            "endpoint_url": f"http://127.0.0.1:{port}/notices/gatepass",
            "authorization_header": f"Bearer {BEARER}",
        }
        receiver.stream(EVERYTHING, **delivery)
        made = TransmitterSettings(kind="ssf-push", token_file=str(tmp_path / "secret"), **common)
    else:
        made = TransmitterSettings(
            kind="ssf-poll",
            poll_url=f"{server.url}/ssf/poll/{receiver.stream()}",
            client_id=receiver.party.id,
            client_secret_file=str(tmp_path / "secret"),
            scope="ssf.read",
            **common,
        )
    with ExitStack() as stack:
        bridge = stack.enter_context(running_bridge(tmp_path, made, clock=server.clock, port=port))
        verifier = stack.enter_context(
            Verifier(issuer=server.url, audience=server.url, revocation=None, clock=server.clock, **bridge.arguments())
        )
        for person, end in ((ANN, _sign_out_everywhere), (BOB, _disable)):
            tokens = receiver.sign_in(person)
            assert verifier.verify(tokens["access_token"]).session_id
            soon(lambda: verifier.health().feed == "live")
            end(server, api)
            eventually(lambda it=tokens["access_token"]: judged(verifier, it) == "revoked")  # type: ignore[misc] # of a loop
        eventually(lambda: bridge.counts("gatepass")["taken"] >= 2)


def _sign_out_everywhere(_server: RunningServer, api: httpx.Client) -> None:
    headers = {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}
    assert api.post("/logout/all", headers=headers).status_code == 204


def _disable(server: RunningServer, _api: httpx.Client) -> None:
    main(["user", "disable", BOB["email"], *server.place])
