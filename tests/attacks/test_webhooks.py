"""Webhooks at a real receiver on loopback, verified with the library of Standard Webhooks."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks.webhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError
from tests.support.scripted_site import ScriptedSite
from tests.support.server import running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.server.domain.public_fetch import PublicFetch
from gatepass.server.domain.webhooks.delivery import PAUSES

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler

    from tests.support.scripted_site import Asked
    from tests.support.server import RunningServer

PASSWORD = "correct horse battery"
DISABLED, CREATED, DELETED = "user.disabled", "user.created", "user.deleted"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all: each test has a receiver of its own."""
    with running_server(tmp_path_factory.mktemp("webhooks")) as server:
        yield server


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """A receiver, which takes everything."""
    with ScriptedSite() as site:
        site.put("/hook", b"", status=204)
        yield site


class Shell:
    """The operator's commands."""

    def __init__(self, server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
        self._place = server.place
        self._capsys = capsys

    def __call__(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What a command prints as JSON."""
        self._capsys.readouterr()
        main([*words, *self._place, "--json"])
        lines = self._capsys.readouterr().out.splitlines()  # the server beside it logs to the same place
        return json.loads("\n".join(line for line in lines if not line[:1].isdigit()))

    def do(self, *words: str) -> None:
        """Call one that prints no data."""
        main([*words, *self._place])


@pytest.fixture
def shell(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Generator[Shell]:
    """The commands, whose time the server has too; what a test has added is removed after it."""
    server.clock.now = float(int(time.time()))
    shell = Shell(server, capsys)
    yield shell
    for webhook in shell("webhook", "list"):
        shell.do("webhook", "remove", webhook["id"])


def _add(shell: Shell, url: str, *events: str) -> Any:  # noqa: ANN401 - JSON
    return shell("webhook", "add", url, *(word for event in events for word in ("--event", event)))


def _sign_up(server: RunningServer, name: str) -> str:
    with server.client() as api:
        answer = api.post("/signup", json={"email": f"{name}@example.com", "password": PASSWORD})
    user_id: str = answer.json()["id"]
    return user_id


def _types(site: ScriptedSite, path: str = "/hook") -> list[str]:
    return [json.loads(asked.body)["type"] for asked in site.asked if asked.path == path]


def _body(secret: str, asked: Asked) -> Any:  # noqa: ANN401 - JSON
    return Receiver(secret).verify(asked.body, asked.headers)


def test_a_stranger_cannot_forge_what_is_told(server: RunningServer, site: ScriptedSite, shell: Shell) -> None:
    """What comes is signed over id, time and body: the library takes it, and nothing that was altered."""
    secret = _add(shell, site.url + "/hook", CREATED)["secret"]
    user_id = _sign_up(server, "signed")
    eventually(lambda: len(site.asked) == 1)
    [asked] = site.asked
    body = _body(secret, asked)
    assert (body["type"], body["data"]["user_id"], body["sequence"]) == (CREATED, user_id, 1)
    assert b"signed@" not in asked.body
    for altered in (
        asked._replace(body=asked.body.replace(b"created", b"deleted")),
        asked._replace(headers={**asked.headers, "webhook-id": "msg_other"}),
        asked._replace(headers={**asked.headers, "webhook-timestamp": str(int(server.clock()) - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            _body(secret, altered)


def test_a_poison_delivery_hides_no_later_event(server: RunningServer, site: ScriptedSite, shell: Shell) -> None:
    """The receiver fails at one event of a person; that they were disabled is told at once all the same."""
    webhook = _add(shell, site.url + "/hook", CREATED, DISABLED)
    site.put("/hook", b"a secret of the network", status=500)
    _sign_up(server, "poison")
    eventually(lambda: _types(site) == [CREATED])
    site.put("/hook", b"", status=204)
    shell.do("user", "disable", "poison@example.com")
    eventually(lambda: DISABLED in _types(site))
    assert [json.loads(asked.body)["sequence"] for asked in site.asked] == [1, 2]
    eventually(lambda: _statuses(shell, webhook) == ["waiting", "delivered"])
    [failed, _] = _deliveries(shell, webhook)
    assert (failed["error"], failed["tries"]) == ("status_500", 1)
    assert "secret of the network" not in json.dumps(failed)
    server.clock.advance(PAUSES[0])
    eventually(lambda: _statuses(shell, webhook) == ["delivered", "delivered"])
    first, _, again = site.asked
    assert (first.headers["webhook-id"], first.body) == (again.headers["webhook-id"], again.body)


def test_a_receiver_that_never_answers_holds_up_no_other(
    server: RunningServer, site: ScriptedSite, shell: Shell
) -> None:
    """While one exchange hangs, every other webhook is told at once, again and again."""

    def hang(_handler: BaseHTTPRequestHandler) -> None:
        site.released.wait(30)

    site.answers["/tarpit"] = hang
    _add(shell, site.url + "/tarpit", CREATED)
    _sign_up(server, "first")
    eventually(lambda: site.times("/tarpit") == 1)
    _add(shell, site.url + "/hook", CREATED)
    for count in (1, 2):
        _sign_up(server, f"later{count}")
        eventually(lambda count=count: site.times("/hook") == count)  # type: ignore[misc]
    site.released.set()


def test_a_secret_in_the_url_of_a_receiver_reaches_no_log(
    server: RunningServer, site: ScriptedSite, shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    """Some receivers know us by their URL alone, by its path or its query: the log names the host."""
    for path in ("/services/hunter2", "/hook?key=hunter2"):
        site.answers[path] = lambda handler: handler.connection.close()
        _add(shell, site.url + path, CREATED)
    _sign_up(server, "private")
    eventually(lambda: len(site.asked) == 2)
    said = ""

    def has_said_both() -> bool:
        nonlocal said
        said += "".join(capsys.readouterr())
        return said.count("a webhook was not reached") == 2

    eventually(has_said_both)
    assert site.url in said
    assert "hunter2" not in said


def test_a_defect_of_ours_is_a_try_as_any_other(
    server: RunningServer,
    site: ScriptedSite,
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is noted, tried again after a pause and given up in the end, and the log has no more of it than its class."""

    async def broken(*_: object, **__: object) -> None:
        raise LookupError("hunter2")

    webhook = _add(shell, site.url + "/hook", CREATED)
    with monkeypatch.context() as patch:
        patch.setattr(PublicFetch, "send", broken)
        _sign_up(server, "defect")
        eventually(lambda: [each["error"] for each in _deliveries(shell, webhook)] == ["not_sent"])
    assert site.asked == []
    server.clock.advance(PAUSES[0])
    eventually(lambda: _statuses(shell, webhook) == ["delivered"])
    assert "hunter2" not in capsys.readouterr().out


def _deliveries(shell: Shell, webhook: Any) -> Any:  # noqa: ANN401 - JSON
    return shell("webhook", "deliveries", webhook["id"])[::-1]


def _statuses(shell: Shell, webhook: Any) -> list[str]:  # noqa: ANN401 - JSON
    return [each["status"] for each in _deliveries(shell, webhook)]


def test_a_receiver_that_is_down_for_days_is_told_by_hand(
    server: RunningServer, site: ScriptedSite, shell: Shell
) -> None:
    """It is tried with growing pauses over three days, then given up and kept; an operator repeats it."""
    webhook = _add(shell, site.url + "/hook", CREATED)
    site.put("/hook", b"", status=503)
    _sign_up(server, "down")
    for tries, pause in enumerate(PAUSES, 1):
        due_at = datetime.fromtimestamp(int(server.clock() + pause), UTC).isoformat()
        eventually(partial(_waits, shell, webhook, tries, due_at))
        server.clock.advance(pause)
    eventually(lambda: _statuses(shell, webhook) == ["failed"])
    assert len(site.asked) == len(PAUSES) + 1
    assert sum(PAUSES) >= 3 * 86_400
    site.put("/hook", b"", status=204)
    [failed] = _deliveries(shell, webhook)
    shell.do("webhook", "retry", failed["id"])
    eventually(lambda: _statuses(shell, webhook) == ["delivered"])


def _waits(shell: Shell, webhook: Any, tries: int, due_at: str) -> bool:  # noqa: ANN401 - JSON
    found = [(each["tries"], each["due_at"]) for each in _deliveries(shell, webhook)]
    return found == [(tries, due_at)]


def _fails(shell: Shell, webhook: Any, error: str) -> bool:  # noqa: ANN401 - JSON
    return [each["error"] for each in _deliveries(shell, webhook)] == [error]


def test_no_address_of_the_network_within_is_told(server: RunningServer, site: ScriptedSite, shell: Shell) -> None:
    """SSRF: a private address is not reached, and a redirect to anywhere is not followed."""
    with ScriptedSite() as within:
        within.put("/hook", b"", status=204)
        site.put("/hook", b"", status=307, headers={"Location": within.url + "/hook"})
        redirected = _add(shell, site.url + "/hook", CREATED)
        private = _add(shell, "https://10.0.0.1/hook", CREATED)
        _sign_up(server, "within")
        for webhook, error in ((redirected, "status_307"), (private, "no_answer")):
            eventually(partial(_fails, shell, webhook, error))
        assert within.asked == []


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(
    server: RunningServer, site: ScriptedSite, shell: Shell
) -> None:
    """Receivers change without a gap, and after a day the former secret is worth nothing."""
    webhook = _add(shell, site.url + "/hook", CREATED)
    shell("webhook", "rotate-secret", webhook["id"])
    server.clock.advance(60)  # the commands go by the real time
    shell("webhook", "test", webhook["id"])
    eventually(lambda: _types(site) == ["webhook.test"])
    server.clock.advance(86_400)
    _sign_up(server, "rotated")
    eventually(lambda: len(site.asked) == 2)
    counts = [len(asked.headers["webhook-signature"].split()) for asked in site.asked]
    assert counts == [2, 1]
    assert webhook["secret"] not in json.dumps(shell("webhook", "show", webhook["id"]))


def test_a_person_who_is_gone_is_told_once_and_by_id(server: RunningServer, site: ScriptedSite, shell: Shell) -> None:
    """Earlier deliveries about them are gone; `user.deleted` names an id that leads nowhere."""
    webhook = _add(shell, site.url + "/hook", CREATED, DELETED)
    user_id = _sign_up(server, "gone")
    eventually(lambda: _types(site) == [CREATED])
    with server.client() as api:
        token = api.post("/login", json={"email": "gone@example.com", "password": PASSWORD}).json()["token"]
        answer = api.request(
            "DELETE", "/account", json={"password": PASSWORD}, headers={"authorization": f"Bearer {token}"}
        )
    assert answer.status_code in {200, 204}, answer.text
    server.clock.advance(1)
    eventually(lambda: _types(site) == [CREATED, DELETED])
    [kept] = _deliveries(shell, webhook)
    assert (kept["event"], kept["user_id"]) == (DELETED, user_id)


@pytest.mark.parametrize(
    ("url", "event"),
    [("ftp://example.com", CREATED), ("http://example.com/", CREATED), ("https://example.com/", "user.craeted")],
)
def test_what_could_never_be_told_is_refused(
    shell: Shell, url: str, event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL without TLS elsewhere than on this machine, and an event that is misspelt."""
    with pytest.raises(SystemExit):
        _add(shell, url, event)
    assert "error:" in capsys.readouterr().err
