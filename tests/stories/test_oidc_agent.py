"""A client for command lines that we did not write, Debian's oidc-agent: by a device code, and by a loopback URL."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.commands import add_client
from tests.support.journey import arrive, fill_in, travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.commands import Registered

CODE, ADDRESS = re.compile(r"And enter the code: (\S+)"), re.compile(r"(http\S+/oauth/authorize\S+)")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    """Ann's browser at a server of the real time."""
    if shutil.which("oidc-agent") is None:
        pytest.skip("this needs Debian's oidc-agent-cli, which is not here")
    with running_server(tmp_path_factory.mktemp("server"), SettableClock(time.time())) as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        with Browser(server) as browser:
            browser.sign_in(ANN)
            yield browser


@pytest.fixture(scope="module")
def client(browser: Browser) -> Registered:
    """The agent, as the guide registers it."""
    grants = [word for name in ("authorization_code", "device_code") for word in ("--grant", name)]
    return add_client(browser.server, "agent", "--kind", "native", *grants, "--redirect-uri", "http://localhost")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """The agent that keeps the tokens; the environment of its commands."""
    folder = tmp_path_factory.mktemp("agent")
    (folder / "accounts").mkdir()
    environment = {
        **os.environ,
        "OIDC_CONFIG_DIR": str(folder / "accounts"),
        "OIDC_SOCK": str(folder / "socket"),
        "OIDC_ENCRYPTION_PW": "a password of the agent",
    }
    command = ["oidc-agent", "--console", "--socket-path", environment["OIDC_SOCK"]]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet
    ) as process:
        try:
            eventually((folder / "socket").exists)
            yield environment
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # it leaves a process for each loopback URL


def generate(environment: dict[str, str], browser: Browser, client: Registered, *words: str) -> subprocess.Popen[str]:
    """Begin an account of the agent's, which waits for the person."""
    command = ["oidc-gen", "ann", "--iss", browser.server.url, "--client-id", client.id, "--client-secret", ""]
    usual = ["--scope", "openid email offline_access", "--no-save", "--pw-env", "--confirm-default", "--no-url-call"]
    return subprocess.Popen(
        [*command, *usual, "--prompt", "none", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(process: subprocess.Popen[str], pattern: re.Pattern[str]) -> str:
    """Wait for what a program shows the person."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := pattern.search(line):
            return found[1]
    raise AssertionError(said)


def whose(environment: dict[str, str], browser: Browser, *words: str) -> str:
    """Whose access token the agent gives out."""
    command = ["oidc-token", *words, "ann"]
    token = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    answer = httpx.get(f"{browser.server.url}/oauth/userinfo", headers={"authorization": f"Bearer {token}"})
    return str(answer.json()["email"])


def test_a_device_code(agent: dict[str, str], browser: Browser, client: Registered) -> None:
    """It sends its id as Basic credentials with an empty secret, as RFC 6749 §2.3.1 allows."""
    with generate(agent, browser, client, "--flow", "device") as process:
        page = fill_in(browser, arrive(browser, "/device"), user_code=told(process, CODE))
        assert "Device connected" in fill_in(browser, page, decision="allow").text
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said
    assert whose(agent, browser) == ANN["email"]
    assert whose(agent, browser, "--force-new") == ANN["email"]  # by the refresh token


def test_a_loopback_url(agent: dict[str, str], browser: Browser, client: Registered) -> None:
    """PKCE, any port of the loopback URL that was registered, `prompt=consent`; tokens that it renews."""
    with generate(
        agent, browser, client, "--flow", "code", "--redirect-uri", f"http://localhost:{free_port()}"
    ) as process:
        assert travel(browser, told(process, ADDRESS), ANN).status_code == 200
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0, said
    assert whose(agent, browser, "--force-new") == ANN["email"]
