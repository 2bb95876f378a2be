"""What is good once, asked for at one moment at two nodes of one store: one wins, on SQLite and on PostgreSQL."""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeVar

import pytest
from tests.stories.test_device_grant import ask, decide, poll
from tests.stories.test_dpop import Prover
from tests.stories.test_pushed_requests import opened, push
from tests.stories.test_registration import MINIMAL
from tests.stories.test_request_objects import send
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, running_server
from tests.support.signing_party import add_signing_party

from gatepass.cli.main import main
from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

pytestmark = pytest.mark.soak

T = TypeVar("T")
AT_ONCE = 8
ROUNDS = 2
"""Of each race; fifty times as many under `make soak`."""


class Nodes:
    """Two servers of one store and one name, which Ann has joined."""

    def __init__(self, servers: list[RunningServer], stack: ExitStack) -> None:
        self.servers, self._stack = servers, stack
        self.apis = [stack.enter_context(server.client()) for server in servers]
        assert self.apis[0].post("/signup", json=ANN).status_code == 201
        self.browsers = [stack.enter_context(Browser(server)) for server in servers]
        assert self.browsers[0].sign_in(ANN).status_code == 303
        self.share_cookies()

    @property
    def first(self) -> RunningServer:
        """The one at which what is raced for is made."""
        return self.servers[0]

    def share_cookies(self) -> None:
        """Let the second browser be the first one, at the other node."""
        for cookie in self.browsers[0].http.cookies.jar:
            self.browsers[1].http.cookies.jar.set_cookie(cookie)

    def flows(self, party: RelyingParty) -> list[Flow]:
        """One request, in the browser that is at each node."""
        flow = Flow(party, self.browsers[0])
        return [flow, dataclasses.replace(flow, browser=self.browsers[1])]

    @staticmethod
    def at_once(act: Callable[[int], T]) -> list[T]:
        """Do it at one moment several times, at each node in turn."""
        together = threading.Barrier(AT_ONCE)

        def one(number: int) -> T:
            together.wait(10)
            return act(number % 2)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(one, range(AT_ONCE)))


@pytest.fixture(scope="module", params=["sqlite", "postgres18"])
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Nodes]:
    """Both, without a quiet time: every refresh is a step."""
    database = "" if request.param == "sqlite" else request.getfixturevalue(request.param).migrated_database()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                running_server(
                    tmp_path_factory.getbasetemp() / f"one-winner-{request.param}",
                    issuer="http://localhost",
                    database=database,
                    refresh_quiet_seconds=0,
                    dynamic_registration="token",
                )
            )
            for _ in range(2)
        ]
        yield Nodes(servers, stack)


def errors(answers: list[httpx.Response]) -> set[str]:
    """What those heard who lost."""
    return {answer.json()["error"] for answer in answers if answer.status_code >= 400}


def winners(answers: list[httpx.Response], status: int = 200) -> list[httpx.Response]:
    """Who won."""
    return [answer for answer in answers if answer.status_code == status]


def forget_devices(party: RelyingParty) -> None:
    """Begin anew: whoever comes too late looks like somebody who guesses, and that has a limit."""
    party.write("DELETE FROM attempts")
    party.write("DELETE FROM device_codes")


def test_a_code(nodes: Nodes, effort: int) -> None:
    """One redemption gets tokens, and they live."""
    party = add_relying_party(nodes.first)
    for _ in range(ROUNDS * effort):
        flow = Flow(party, nodes.browsers[0])
        code = code_of(flow.ask())
        answers = nodes.at_once(lambda node: flow.redeem(nodes.apis[node], code))  # noqa: B023 - done at once
        (won,) = winners(answers)
        assert errors(answers) == {"invalid_grant"}
        party.refresh(nodes.apis[0], won.json()["refresh_token"])


def test_a_device_code(nodes: Nodes, effort: int) -> None:
    """One poll after the approval gets tokens."""
    party = add_relying_party(nodes.first, is_public=True, grant_types=(GRANT_TYPE,))
    for _ in range(ROUNDS * effort):
        shown = ask(nodes.apis[0], party)
        decide(nodes.browsers[0], shown["user_code"], "allow")
        answers = nodes.at_once(lambda node: poll(nodes.apis[node], party, shown))  # noqa: B023 - done at once
        assert len(winners(answers)) == 1
        assert errors(answers) <= {"invalid_grant", "slow_down"}
        forget_devices(party)


def test_a_decision_about_a_device(nodes: Nodes, effort: int) -> None:
    """Who allows at one node and cancels at the other has decided once: the device hears what one page has said."""
    party = add_relying_party(nodes.first, is_public=True, grant_types=(GRANT_TYPE,))
    for _ in range(ROUNDS * effort):
        shown = ask(nodes.apis[0], party)
        pages = nodes.at_once(
            lambda node: decide(nodes.browsers[node], shown["user_code"], ("allow", "cancel")[node])  # noqa: B023
        )
        said = [page.status_code for page in pages]
        assert said.count(200) == 1, said
        is_allowed = "Device connected" in pages[said.index(200)].text
        answer = poll(nodes.apis[1], party, shown)
        assert answer.status_code == (200 if is_allowed else 400)
        forget_devices(party)


def test_a_refresh_token(nodes: Nodes, effort: int) -> None:
    """One of them moves on, and the others are its other tabs: all get the same next one, and nobody is a thief."""
    party = add_relying_party(nodes.first)
    flow = Flow(party, nodes.browsers[0])
    token = flow.redeem(nodes.apis[0], code_of(flow.ask())).json()["refresh_token"]
    for _ in range(ROUNDS * effort):
        given = nodes.at_once(lambda node: party.refresh(nodes.apis[node], token)["refresh_token"])  # noqa: B023
        (after,) = set(given)
        assert after != token
        token = after


def test_an_answer_to_an_interaction(nodes: Nodes, effort: int) -> None:
    """Of several who agree on one page, one brings a code to the client."""
    for _ in range(ROUNDS * effort):
        flows = nodes.flows(add_relying_party(nodes.first, rules=ClientRules()))
        page = flows[0].follow(flows[0].ask())
        nodes.share_cookies()
        answers = nodes.at_once(lambda node: flows[node].submit(page, decision="allow"))  # noqa: B023 - done at once
        assert sorted(answer.status_code for answer in answers) == [303, *[400] * (AT_ONCE - 1)]
        (won,) = winners(answers, 303)
        assert flows[0].redeem(nodes.apis[1], code_of(won)).status_code == 200


def test_a_pushed_request(nodes: Nodes, effort: int) -> None:
    """Of several browsers that open one, one is answered with a code."""
    party = add_relying_party(nodes.first)
    for _ in range(ROUNDS * effort):
        flows = nodes.flows(party)
        pushed = push(nodes.apis[0], flows[0])
        answers = nodes.at_once(lambda node: opened(flows[node], pushed))  # noqa: B023 - done at once
        (won,) = winners(answers, 303)
        assert {answer.status_code for answer in answers} == {303, 400}
        assert flows[0].redeem(nodes.apis[1], code_of(won)).status_code == 200


def test_a_request_object(nodes: Nodes, effort: int) -> None:
    """A signed request with a name is answered once."""
    party = add_signing_party(nodes.first)
    for _ in range(ROUNDS * effort):
        flows = nodes.flows(party)
        token = party.sign(flows[0].parameters())
        answers = nodes.at_once(lambda node: send(flows[node], token))  # noqa: B023 - done at once
        assert len(winners(answers, 303)) == 1


def test_a_registration_token(nodes: Nodes, effort: int, capsys: pytest.CaptureFixture[str]) -> None:
    """One that lets one client in lets one in."""
    for _ in range(ROUNDS * effort):
        capsys.readouterr()
        main(["client", "registration-token", "--uses", "1", "--json", *nodes.first.place])
        bearer = {"authorization": f"Bearer {json.loads(capsys.readouterr().out)['registration_token']}"}
        answers = nodes.at_once(
            lambda node: nodes.apis[node].post("/oauth/register", json=MINIMAL, headers=bearer)  # noqa: B023
        )
        assert len(winners(answers, 201)) == 1
        assert errors(answers) == {"invalid_token"}


def test_an_assertion(nodes: Nodes, effort: int) -> None:
    """A client's assertion proves one request."""
    party = add_signing_party(nodes.first, grant_types=("client_credentials",))
    for _ in range(ROUNDS * effort):
        form = {"grant_type": "client_credentials", **party.assertion()}
        answers = nodes.at_once(lambda node: nodes.apis[node].post("/oauth/token", data=form))  # noqa: B023
        assert len(winners(answers)) == 1
        assert errors(answers) == {"invalid_client"}


def test_a_proof_of_a_key(nodes: Nodes, effort: int) -> None:
    """A DPoP proof is for one request."""
    party = add_relying_party(nodes.first, grant_types=("client_credentials",))
    prove = Prover(nodes.first)
    for _ in range(ROUNDS * effort):
        form, proof = {"grant_type": "client_credentials", **party.credentials}, prove("/oauth/token")
        answers = nodes.at_once(
            lambda node: nodes.apis[node].post("/oauth/token", data=form, headers=proof)  # noqa: B023
        )
        assert len(winners(answers)) == 1
        assert errors(answers) == {"invalid_dpop_proof"}
