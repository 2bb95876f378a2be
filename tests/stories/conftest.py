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
    {
        "test_account",
        "test_authorize",
        "test_device_grant",
        "test_account_changes",
        "test_email_login",
        "test_events",
        "test_keys",
        "test_logout",
        "test_oauth",
        "test_operators_api",
        "test_recovery",
        "test_refresh",
        "test_revocation_feed",
        "test_signal_delivery",
    }
)
"""The stories that lean on what a database does; the others are about what happens before or after it."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell those stories on PostgreSQL too."""
    name = metafunc.module.__name__.rpartition(".")[2]
    databases = ["sqlite", "postgres18"] if name in ON_EVERY_DATABASE else ["sqlite"]
    for fixture in ("server", "mailing"):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, databases, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server with its usual settings, but for a cheap password hash: on SQLite, and on PostgreSQL."""
    with running_server(tmp_path / "data", clock, is_awaited=False, database=_new_database(request)) as running:
        yield running


def _new_database(request: pytest.FixtureRequest) -> str:
    """The URL of a database as the test's parameter says; of SQLite it is the data folder's."""
    where = getattr(request, "param", "sqlite")
    return "" if where == "sqlite" else request.getfixturevalue(where).migrated_database()


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
def mailing(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock, mailbox: Mailbox
) -> Generator[RunningServer]:
    """A server that sends its mails there."""
    database = _new_database(request)
    with running_server(tmp_path / "data", clock, database=database, smtp_url=mailbox.url) as running:
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
