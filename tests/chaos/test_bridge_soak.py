"""A bridge that is killed at random moments: whatever it has acknowledged is there when it is back."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.bridges import SECRET, ForeignIssuer, RunningBridge, bridge_process
from tests.support.ports import free_port

from gatepass.tokens.bridge_entry import FeedSecret

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS, SENDERS = 20, 4


@pytest.mark.soak
def test_no_acknowledged_notice_is_lost(tmp_path: Path) -> None:
    """Four senders, twenty kills with SIGKILL at a random moment: every notice with a 200 is in the next snapshot."""
    port, config = free_port(), tmp_path / "bridge.toml"
    url, secret = f"http://127.0.0.1:{port}", FeedSecret(SECRET)
    (tmp_path / "secret").write_text(SECRET)
    acknowledged: list[str] = []
    with ForeignIssuer(clock=time.time) as issuer:
        config.write_text(
            f'issuer = "{url}"\nport = {port}\ndata_dir = "{tmp_path}/data"\nfeed_secret_file = "{tmp_path}/secret"\n'
            f'[[transmitters]]\nname = "logout"\nkind = "backchannel-logout"\nissuer = "{issuer.url}"\n'
            'audience = "app"\n'
        )

        def send(name: str, process: int) -> None:
            number = 0
            with httpx.Client() as client:
                while True:
                    sub = f"{name}-{process}-{number}"
                    token = issuer.logout_token(sid=None, sub=sub, jti=sub)
                    try:
                        answer = client.post(f"{url}/notices/logout", data={"logout_token": token})
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 200:
                        acknowledged.append(sub)
                    number += 1

        for _ in range(ROUNDS):
            with bridge_process(config) as process:
                entries = RunningBridge(url, tmp_path, secret).entries()
                assert {secret.digest_of_subject(issuer.url, sub) for sub in acknowledged} <= entries.keys()
                senders = [threading.Thread(target=send, args=(f"s{n}", process.pid)) for n in range(SENDERS)]
                for sender in senders:
                    sender.start()
                time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - the moment of a crash
                os.kill(process.pid, signal.SIGKILL)
                for sender in senders:
                    sender.join()
        with bridge_process(config):
            entries = RunningBridge(url, tmp_path, secret).entries()
            assert {secret.digest_of_subject(issuer.url, sub) for sub in acknowledged} <= entries.keys()
    assert len(acknowledged) > ROUNDS
