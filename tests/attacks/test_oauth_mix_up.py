"""The answer of one provider is brought as another's, or a code of another sign-in is put in (RFC 9700 §4.4, §4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.elsewhere import come_back, go_there
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer


@pytest.fixture
def honest() -> Generator[ScriptedProvider]:
    """A provider."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def evil() -> Generator[ScriptedProvider]:
    """One that has been bought, or was evil from the start."""
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def server(tmp_path: Path, honest: ScriptedProvider, evil: ScriptedProvider) -> Generator[RunningServer]:
    """A server that people come to from both."""
    with running_server(tmp_path, providers={"corp": honest.settings(), "evil": evil.settings()}) as running:
        yield running


def test_a_code_is_sent_to_nobody_but_who_gave_it(
    server: RunningServer, honest: ScriptedProvider, evil: ScriptedProvider
) -> None:
    """Somebody goes to the evil one, which sends them on to the honest one to get hold of its code."""
    with Browser(server) as browser:
        answer = honest.authorize(go_there(browser, "evil"))
        assert answer["iss"] == honest.url
        assert come_back(browser, answer, "evil").status_code == 403  # by `iss` (RFC 9207)
        answer = honest.authorize(go_there(browser, "evil"))
        assert come_back(browser, answer, "corp").status_code == 403  # by the redirect URI of the other
        assert browser.refresh().status_code == 401
    assert evil.forms == honest.forms == []


def test_an_answer_without_a_sender(server: RunningServer, honest: ScriptedProvider) -> None:
    """A provider that names itself in its answers (its metadata says so) is not believed when it does not."""
    with Browser(server) as browser:
        answer = honest.authorize(go_there(browser))
        del answer["iss"]
        assert come_back(browser, answer).status_code == 403
    assert honest.forms == []


def test_a_code_of_another_sign_in(server: RunningServer, honest: ScriptedProvider) -> None:
    """A stolen code in the thief's own answer: it belongs to the verifier that the victim's browser keeps (PKCE)."""
    with Browser(server) as victim, Browser(server) as thief:
        stolen = honest.authorize(go_there(victim))["code"]
        answer = honest.authorize(go_there(thief)) | {"code": stolen}
        assert come_back(thief, answer).status_code == 403
        assert thief.refresh().status_code == 401


def test_a_parameter_that_stands_twice(server: RunningServer, honest: ScriptedProvider) -> None:
    """Neither of two is taken, since two readers might not take the same."""
    with Browser(server) as browser:
        answer = honest.authorize(go_there(browser))
        twice = {**answer, "code": [answer["code"], "another"]}
        assert browser.http.get("/pages/login/callback/corp", params=twice).status_code == 403
    assert honest.forms == []
