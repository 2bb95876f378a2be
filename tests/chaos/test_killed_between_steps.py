"""A server that is killed between each two steps of what OAuth is used for: whatever it has answered holds after it.

Each road is a generator that stops where the server dies; all of them go on side by side, so that one death is between
two steps of each.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.conftest import SOAK
from tests.stories.test_device_grant import ask, decide, poll
from tests.stories.test_pushed_requests import opened, push
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, CHEAP_ARGON2, RunningServer, SettableClock, gatepass_serve_logging
from tests.support.wait import eventually

from gatepass.jose import jwt
from gatepass.server.base.settings import load
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from tests.support.relying_party import RelyingParty

ISSUER = "http://localhost"
HEARS = "/backchannel"
LOADED = 8
"""People at once, when a server is killed under load."""

Road: TypeAlias = "Generator[None]"


class Site:
    """A server in a process of its own, which can die, and whoever talks to it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        self._open, self._talk = ExitStack(), ExitStack()
        self._browsers: list[Browser] = []
        self._starts = 0
        self.start()
        assert self.api.post("/signup", json=ANN).status_code == 201
        self.asks = self.register(name="asks", rules=ClientRules())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._talk.close()
        self._open.close()

    def start(self) -> None:
        """Start it on the data that there is; at another port, under the same name."""
        self._life, self._starts = ExitStack(), self._starts + 1
        self._talk.close()
        where = ("--database", self.database) if self.database else ()
        log = self.folder / f"server{self._starts}.log"
        _, url = self._life.enter_context(gatepass_serve_logging(log, self.folder / "data", "--issuer", ISSUER, *where))
        flags = {"port": urlsplit(url).port, "data_dir": str(self.folder / "data"), "issuer": ISSUER, **CHEAP_ARGON2}
        self.server = RunningServer(load(flags=flags | {"database": self.database}), SettableClock(time.time()))
        self.api = self._talk.enter_context(self.server.client())
        for browser in self._browsers:
            browser.http.base_url = httpx.URL(self.server.address)

    def kill(self) -> None:
        """End it by SIGKILL, as the end of the block does, in the middle of what is being asked."""
        self._life.close()

    def register(self, **client: Any) -> RelyingParty:  # noqa: ANN401 - fields of a client
        """Register a client that signs people in."""
        return add_relying_party(self.server, **client)

    def browser(self) -> Browser:
        """Ann's browser, signed in, which finds the server again."""
        browser = self._open.enter_context(Browser(self.server))
        assert browser.sign_in(ANN).status_code == 303
        self._browsers.append(browser)
        return browser

    def is_active(self, party: RelyingParty, token: str) -> bool:
        """Whether a token is good."""
        answer = self.api.post("/oauth/introspect", data={"token": token, **party.credentials})
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["active"])


def from_the_page_to_the_end(site: Site) -> Road:
    """A page of consent, a code, tokens, fresh tokens, and their end."""
    flow = Flow(site.register(rules=ClientRules()), site.browser())
    page = flow.follow(flow.ask())
    yield
    code = code_of(flow.submit(page, decision="allow"))
    yield
    first = flow.redeem(site.api, code)
    assert first.status_code == 200, first.text
    tokens = first.json()
    yield
    assert site.is_active(flow.party, tokens["access_token"])
    renewed = flow.party.refresh(site.api, tokens["refresh_token"])
    yield
    form = {"token": renewed["refresh_token"], **flow.party.credentials}
    assert site.api.post("/oauth/revoke", data=form).status_code == 200
    yield
    form = {"grant_type": "refresh_token", "refresh_token": renewed["refresh_token"], **flow.party.credentials}
    assert site.api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert not any(site.is_active(flow.party, each["access_token"]) for each in (tokens, renewed))


def a_used_code_stays_used(site: Site) -> Road:
    """A code that was redeemed is good for nothing after the death, and its second use ends what it has brought."""
    flow = Flow(site.register(rules=ClientRules(consent="never", pkce="optional")), site.browser())
    no_pkce = {"code_challenge": None, "code_challenge_method": None}
    code = code_of(flow.ask(**no_pkce))
    tokens = flow.redeem(site.api, code, code_verifier=None).json()
    yield
    assert flow.redeem(site.api, code, code_verifier=None).json()["error"] == "invalid_grant"
    yield
    assert not site.is_active(flow.party, tokens["access_token"])


def a_pushed_request(site: Site) -> Road:
    """A request that was pushed is opened, once."""
    flow = Flow(site.register(), site.browser())
    pushed = push(site.api, flow)
    assert pushed.status_code == 201, pushed.text
    yield
    code = code_of(opened(flow, pushed))
    yield
    assert opened(flow, pushed).status_code == 400
    assert flow.redeem(site.api, code).status_code == 200


def a_device(site: Site) -> Road:
    """A device that has asked is approved, polls, and refreshes."""
    television = site.register(
        name="television", is_public=True, grant_types=(GRANT_TYPE, "refresh_token"), scope=("openid", "email")
    )
    shown = ask(site.api, television)
    browser = site.browser()
    yield
    assert "Device connected" in decide(browser, shown["user_code"], "allow").text
    yield
    tokens = poll(site.api, television, shown)
    assert tokens.status_code == 200, tokens.text
    yield
    assert poll(site.api, television, shown).json()["error"] == "invalid_grant"
    assert television.refresh(site.api, tokens.json()["refresh_token"])["scope"] == "openid email"


def a_remembered_consent(site: Site) -> Road:
    """Who has agreed is not asked again; who has taken it back is."""
    browser, party = site.browser(), site.register(rules=ClientRules())
    first = Flow(party, browser)
    code_of(first.submit(first.follow(first.ask()), decision="allow"))
    yield
    tokens = Flow(party, browser)
    assert tokens.redeem(site.api, code_of(tokens.ask(prompt="none"))).status_code == 200
    bearer = {"authorization": f"Bearer {browser.refresh().json()['token']}"}
    assert site.api.delete(f"/account/consents/{party.id}", headers=bearer).status_code == 204
    yield
    assert answer_of(Flow(party, browser).ask(prompt="none"))["error"] == "consent_required"


def a_logout_that_is_told(site: Site) -> Road:
    """Who hears of logouts hears of one whose delivery died with the server."""
    with ScriptedSite() as hearer:

        def hold(_request: BaseHTTPRequestHandler) -> None:
            hearer.released.wait()

        hearer.answers[HEARS] = hold
        metadata = ClientMetadata(redirect_uris=(CALLBACK,), backchannel_logout_uri=hearer.url + HEARS)
        flow = Flow(site.register(metadata=metadata), site.browser())
        tokens = flow.redeem(site.api, code_of(flow.ask())).json()
        yield
        assert flow.browser.post("/pages/logout", at="/pages/account").status_code == 303
        eventually(lambda: hearer.times(HEARS) == 1)  # and there is no answer
        yield
        hearer.put(HEARS, b"", status=204)
        # The dead node's minute is over, in which no other takes what it was delivering.
        flow.party.write("UPDATE logout_deliveries SET due_at = 0 WHERE client_id = ?1", flow.party.id)
        eventually(lambda: hearer.times(HEARS) == 2)
        told = jwt.peek(parse_qs(hearer.asked[-1].body.decode())["logout_token"][0]).claims
        assert told["sid"] == jwt.peek(tokens["id_token"]).claims["sid"]
        eventually(lambda: not flow.party.read("SELECT 1 FROM logout_deliveries WHERE client_id = ?1", flow.party.id))


ROADS: tuple[Callable[[Site], Road], ...] = (
    from_the_page_to_the_end,
    a_used_code_stays_used,
    a_pushed_request,
    a_device,
    a_remembered_consent,
    a_logout_that_is_told,
)
UNDER_LOAD = ROADS[:-1]
"""Those that do not need a death at one of their steps."""


@pytest.fixture(params=["sqlite", "postgres18"] if SOAK else ["sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Site]:
    """The server."""
    database = "" if request.param == "sqlite" else request.getfixturevalue(request.param).migrated_database()
    with Site(tmp_path, database) as site:
        yield site


@pytest.mark.soak
def test_what_was_answered_holds(site: Site, effort: int, record_property: Callable[[str, object], None]) -> None:
    """`kill -9` between each two steps of each road, and every road comes to its end."""
    deaths = 0
    for _ in range(effort):
        going = [road(site) for road in ROADS]
        while going := [road for road in going if has_more(road)]:
            site.kill()
            site.start()
            deaths += 1
    record_property("figures", f"{deaths} deaths between the steps of {len(ROADS)} roads")


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="the test above is its small form")
def test_what_was_answered_under_load_holds(
    site: Site, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """The server dies while eight people walk these roads: whoever has heard every answer so far comes to the end."""
    finished = 0
    for _ in range(effort // 5):
        walks = [Walk(site, number) for number in range(LOADED)]
        with ThreadPoolExecutor(LOADED) as threads:
            running = [threads.submit(walk.run) for walk in walks]
            eventually(partial(are_busy, walks, running))
            for walk in walks[::2]:
                walk.stopped.set()  # between two steps; the others are in the middle of one
            wait(running[::2])
            site.kill()
            for done in running:
                done.result()
        site.start()
        for road in [road for walk in walks for road in walk.waits]:
            for _ in road:
                pass
            finished += 1
    record_property("figures", f"{effort // 5} deaths under load, {finished} roads finished after them")


def are_busy(walks: list[Walk], running: list[Future[None]]) -> bool:
    """Whether everybody has come some steps far on average, or one of them has fallen."""
    return sum(walk.steps for walk in walks) > 10 * LOADED or any(each.done() for each in running)


def has_more(road: Road) -> bool:
    """Take a step; whether there is another."""
    return next(road, road) is None


class Walk:
    """Somebody who walks one road after the other until the server is gone, or until they are stopped."""

    def __init__(self, site: Site, number: int) -> None:
        self.site, self.at, self.steps = site, number, 0
        self.stopped = threading.Event()
        self.waits: list[Road] = []

    def run(self) -> None:
        """Walk; what is left when stopped is kept."""
        while True:
            road = UNDER_LOAD[self.at % len(UNDER_LOAD)](self.site)
            self.at += 1
            try:
                while has_more(road):
                    self.steps += 1
                    if self.stopped.is_set():
                        self.waits.append(road)
                        return
            except httpx.TransportError:
                return
