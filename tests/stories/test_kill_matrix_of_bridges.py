"""The kill matrix behind a bridge: a Gatepass server as the foreign issuer, known by its back-channel logout alone.

The verifier follows nothing of the server's own (`revocation=None`), so what it refuses it has learned from the bridge.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_kill_matrix import API, CLAIMS, World, cheap_commands, verifies
from tests.stories.test_kill_matrix_of_applications import BYE, ENDINGS
from tests.support.authorization import Flow, code_of
from tests.support.bridges import running_bridge
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import RunningClock, running_server
from tests.support.wait import eventually

from gatepass.bridge.settings import TransmitterSettings
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

__all__ = ["cheap_commands"]  # a fixture

ONLINE, OFFLINE = "access token", "offline access token"
ARTEFACTS = {
    ONLINE: "Of a sign-in at an application that hears of logouts; at a verifier that follows the bridge alone.",
    OFFLINE: "Of a grant there with `offline_access`: it names a session of its own, which no notice does.",
}
KILLS: dict[str, frozenset[str]] = {
    # A client that revokes its own tokens knows, and is not told; nor is it where the sign-in goes on.
    "`/oauth/revoke` of the refresh token": frozenset(),
    "a role removed": frozenset(),
    "sign-out in the browser": frozenset({ONLINE}),
    "RP-initiated logout": frozenset({ONLINE}),
    "the browser's session ended from another device": frozenset({ONLINE}),
    # The application is told that the person's sign-in is over, as its ID tokens name it.
    "the offline session ended from another device": frozenset({ONLINE}),
    "logout everywhere": frozenset({ONLINE}),
    "another password, set in another session": frozenset({ONLINE}),
    "a forgotten password, set by mail": frozenset({ONLINE}),
    "account deleted": frozenset({ONLINE}),
    "application disconnected (consent withdrawn)": frozenset({ONLINE}),
    "authorization code used twice": frozenset({ONLINE}),
    "`gatepass user logout`": frozenset({ONLINE}),
    "`gatepass user disable`": frozenset({ONLINE}),
    "`gatepass user password`": frozenset({ONLINE}),
    "`gatepass user reset-factors`": frozenset({ONLINE}),
}
"""What each event kills. Where no notice is sent, a token lives until it expires."""
PROMISED_SECONDS, LONGEST_SECONDS = 1.0, 10.0


class HeldBehindBridge:
    """What an application holds of somebody before the event."""

    def __init__(self, world: World, app: RelyingParty, browser: Browser) -> None:
        self.world, self.app, self.browser = world, app, browser
        self.person = world.sign_up()
        assert browser.sign_in(self.person).status_code == 303
        with world.here.client() as api:
            self.pair = api.post("/login", json=self.person).json()
            self.flow, self.code = self._agreed("openid read")
            self.tokens = self.flow.redeem(api, self.code).json()
            flow, code = self._agreed("openid read offline_access")
            self.offline = flow.redeem(api, code).json()

    @property
    def client(self) -> RelyingParty:
        """The application, as commands name it."""
        return self.app

    def _agreed(self, scope: str) -> tuple[Flow, str]:
        flow = Flow(self.app, self.browser)
        answer = flow.follow(flow.ask(scope=scope, prompt="consent" if "offline_access" in scope else None))
        return flow, code_of(flow.submit(answer, decision="allow") if answer.status_code == 200 else answer)

    def works(self, artefact: str) -> bool:
        """Whether the verifier takes it."""
        tokens = {ONLINE: self.tokens, OFFLINE: self.offline}[artefact]
        return verifies(self.world.verifier, tokens["access_token"])


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[RunningServer, RelyingParty, Verifier]]:
    """A server, an application whose logout tokens go to a bridge, and a verifier that follows the bridge alone."""
    folder: Path = tmp_path_factory.mktemp("bridge")
    clock, port = RunningClock(), free_port()
    with ExitStack() as stack:
        server = stack.enter_context(
            running_server(folder / "server", clock, audience=(API,), attempts_per_address=10_000, claims=CLAIMS)
        )
        app = add_relying_party(
            server,
            audience=(API,),
            scope=("openid", "read", "offline_access"),
            metadata=ClientMetadata(
                redirect_uris=(CALLBACK,),
                post_logout_redirect_uris=(BYE,),
                backchannel_logout_uri=f"http://127.0.0.1:{port}/notices/gatepass",
            ),
            rules=ClientRules(),
        )
        made = TransmitterSettings(name="gatepass", kind="backchannel-logout", issuer=server.url, audience=app.id)
        bridge = stack.enter_context(running_bridge(folder, made, clock=clock, port=port))
        verifier = stack.enter_context(
            Verifier(issuer=server.url, audience=API, revocation=None, clock=clock, **bridge.arguments())
        )
        assert verifier.start().ready
        yield server, app, verifier


def test_what_each_event_kills_behind_a_bridge(
    behind: tuple[RunningServer, RelyingParty, Verifier],
    capsys: pytest.CaptureFixture[str],
    cheap_commands: None,
    record_property: Callable[[str, object], None],
) -> None:
    """Each token works before the event, is refused after one that the server sends a logout for, and else lives."""
    server, app, verifier = behind
    world, delays, spared = World(server, server, verifier, capsys), list[float](), list[HeldBehindBridge]()
    happens: dict[str, Callable[[World, Any], None]] = {each.title: each.happen for each in ENDINGS}
    for title, kills in KILLS.items():
        with Browser(server) as browser:
            held = HeldBehindBridge(world, app, browser)
            assert all(map(held.works, ARTEFACTS)), title
            happens[title](world, held)
            done = time.monotonic()
            for artefact in kills:
                eventually(lambda it=artefact, by=held: not by.works(it), seconds=LONGEST_SECONDS)  # type: ignore[misc]
                delays.append(time.monotonic() - done)
            assert {name for name in ARTEFACTS if not held.works(name)} == kills, title
            spared += [] if kills else [held]
    assert all(held.works(name) for held in spared for name in ARTEFACTS)  # nor has a notice come later
    assert median(delays) <= PROMISED_SECONDS
    record_property("figures", f"{len(delays)} tokens, p50 {1e3 * median(delays):.0f} ms, max {1e3 * max(delays):.0f}")
