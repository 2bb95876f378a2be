"""Keycloak as Maven Central has it, in a process and a folder of its own, and its administration by REST."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.conftest import SOAK
from tests.support.ports import free_port
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator

_FETCH_SECONDS = 600
_START_SECONDS = 500
"""It builds itself at its first start: a minute of two idle cores."""


def distribution(version: str) -> Path:
    """The archive, in Maven's own cache. Skips without Java, Maven or the archive."""
    if not SOAK:
        pytest.skip("Keycloak is fetched and tried under `make soak`")
    maven = shutil.which("mvn")
    if shutil.which("java") is None or maven is None:
        pytest.skip("this needs Java and Maven, which are not here")
    artifact = f"org.keycloak:keycloak-quarkus-dist:{version}:zip"
    fetched = subprocess.run(
        [maven, "-q", "-B", "dependency:get", f"-Dartifact={artifact}", "-Dtransitive=false"],
        capture_output=True,
        text=True,
        timeout=_FETCH_SECONDS,
        check=False,
    )
    name = f"keycloak-quarkus-dist-{version}.zip"
    archive = Path.home() / ".m2/repository/org/keycloak/keycloak-quarkus-dist" / version / name
    if not archive.exists():
        pytest.skip(f"Keycloak {version} cannot be had here: {fetched.stdout[-500:]}")
    return archive


@dataclass(frozen=True)
class Keycloak:
    """A running one."""

    url: str
    version: str
    password: str

    def admin(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Call its Admin REST API as its first administrator.

        The answer's JSON, if it has any. A token lives for a minute only, so that each call asks for one.
        """
        login = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self.password}
        signed_in = httpx.post(f"{self.url}/realms/master/protocol/openid-connect/token", data=login, timeout=60)
        headers = {"authorization": f"Bearer {signed_in.json()['access_token']}"}
        answer = httpx.request(method, f"{self.url}/admin/realms{path}", json=body, headers=headers, timeout=60)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None


@contextmanager
def running_keycloak(archive: Path, folder: Path) -> Generator[Keycloak]:
    """Unpack it into the folder, and start it for development on a free port of the loopback."""
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder)
    [home] = folder.iterdir()
    port = free_port()
    version = home.name.removeprefix("keycloak-")
    running = Keycloak(f"http://127.0.0.1:{port}", version, secrets.token_urlsafe(16))
    log = folder / "log"
    command = ["sh", str(home / "bin" / "kc.sh"), "start-dev", "--http-host", "127.0.0.1", "--http-port", str(port)]
    environment = {
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
        "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
        "KC_BOOTSTRAP_ADMIN_PASSWORD": running.password,
    }
    with (
        log.open("w") as out,
        subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            eventually(lambda: _answers(running.url, process, log), seconds=_START_SECONDS)
            yield running
        finally:
            process.terminate()  # the script hands this on to Java, which a SIGKILL would leave running


def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()[-5000:]
    try:
        return httpx.get(f"{url}/realms/master").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
