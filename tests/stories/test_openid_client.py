"""The whole road with a client that is somebody else's: npm's openid-client, which checks whatever it can."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow
from tests.support.node import installed, node
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN

from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

CLIENT = Path(__file__).parents[1] / "support" / "openid_client"
SCOPE = ("openid", "email", "offline_access")


def travel(app: RelyingParty, browser: Browser, **how: bool) -> dict[str, Any]:
    """Go the whole road: the client in a process of its own, and the person's browser between its two halves."""
    said = {"issuer": app.server.url, **app.credentials, "redirect_uri": CALLBACK, **how}
    command = [node(), str(installed(CLIENT) / "road.mjs")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(said) + "\n")
        process.stdin.flush()
        url = process.stdout.readline().strip()
        if not url:
            raise AssertionError(process.communicate(timeout=30)[1])
        came_out = Flow(app, browser).follow(browser.http.get(url)).headers["location"]
        found, errors = process.communicate(came_out + "\n", timeout=60)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(found)
    return result


@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
@pytest.mark.parametrize(
    "how",
    [{}, {"pushes": True}, {"binds": True}, {"pushes": True, "binds": True}],
    ids=["plain", "PAR", "DPoP", "both"],
)
def test_the_whole_road(
    server: RunningServer,
    api: httpx.Client,
    how: dict[str, bool],
    subject_type: Any,  # noqa: ANN401 - one of two words
) -> None:
    """From discovery to revocation; the client checks `iss`, `state`, nonce, `at_hash`, the signature and `sub`."""
    server.clock.now = time.time()  # by which the client goes
    assert api.post("/signup", json=ANN).status_code == 201
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), subject_type=subject_type)
    app = add_relying_party(server, scope=SCOPE, metadata=metadata)
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        found = travel(app, browser, **how)
    assert found["token_type"] == ("dpop" if "binds" in how else "bearer")
    assert ("request_uri" in found["asked"]) is ("pushes" in how)
    assert set(found["scope"].split()) == set(SCOPE)
    sub = found["claims"]["sub"]
    assert sub.startswith("usr_") is (subject_type == "public")
    assert found["userinfo"] == {"sub": sub, "email": ANN["email"], "email_verified": False}
    assert found["refreshed"]["sub"] == sub
    assert found["refreshed"]["auth_time"] == found["claims"]["auth_time"]
    assert found["introspected"] == {"active": True, "sub": sub, "after": False}
    assert found["refused"] == 401
