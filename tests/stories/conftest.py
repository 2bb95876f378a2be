"""A server of its own for each story, with a clock that the story sets, and a client on a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.mailbox import mail_server
from tests.support.server import ANN, SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer


@pytest.fixture
def clock() -> SettableClock:
    """The server's clock."""
    return SettableClock()


ON_EVERY_DATABASE = frozenset(
    {"test_account", "test_keys", "test_logout", "test_oauth", "test_refresh", "test_revocation_feed"}
)
"""The stories that lean on what a database does; the others are about what happens before or after it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell those stories on PostgreSQL too."""
    if "server" in metafunc.fixturenames:
        name = metafunc.module.__name__.rpartition(".")[2]
        databases = ["sqlite", "postgres18"] if name in ON_EVERY_DATABASE else ["sqlite"]
        metafunc.parametrize("server", databases, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server with its usual settings, but for a cheap password hash: on SQLite, and on PostgreSQL."""
    where = getattr(request, "param", "sqlite")
    database = "" if where == "sqlite" else request.getfixturevalue(where).new_database()
    with running_server(tmp_path / "data", clock, database=database) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


@pytest.fixture
def ann(api: httpx.Client) -> dict[str, str]:
    """Somebody who has signed up: e-mail address and password."""
    assert api.post("/signup", json=ANN).status_code == 201
    return ANN


@pytest.fixture
def mailbox() -> Generator[Mailbox]:
    """A mail server."""
    with mail_server() as mailbox:
        yield mailbox


@pytest.fixture
def mailing(tmp_path: Path, clock: SettableClock, mailbox: Mailbox) -> Generator[RunningServer]:
    """A server that sends its mails there."""
    with running_server(tmp_path / "data", clock, smtp_url=mailbox.url) as running:
        yield running


@pytest.fixture
def mail_api(mailing: RunningServer) -> Generator[httpx.Client]:
    """A client of that server."""
    with mailing.client() as client:
        yield client


@pytest.fixture
def verified_ann(mail_api: httpx.Client, mailbox: Mailbox) -> dict[str, str]:
    """Somebody who has signed up there and answered the mail, which is gone from the mailbox."""
    assert mail_api.post("/signup", json=ANN).status_code == 202
    token = mailbox.next_to(ANN["email"]).token
    answer = mail_api.post("/signup/verify", json={"token": token, "password": ANN["password"]})
    assert answer.status_code == 201
    mailbox.received.clear()
    return ANN
