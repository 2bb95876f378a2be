"""The JavaScript verifier follows a bridge: what it tells is refused within a second, and nobody else is."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.bridges import SECRET, ForeignIssuer, running_bridge, transmitters
from tests.support.node import node

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.bridges import RunningBridge

VERIFIER = Path(__file__).parents[2] / "clients" / "js" / "verify" / "index.js"

# Each line that comes is a token; the answer is "good", or the code of the refusal.
JUDGE = """
import { createInterface } from "node:readline";
import { Verifier } from "VERIFIER";
const verifier = new Verifier({ log: () => {}, ...JSON.parse(process.argv[2]) });
for await (const line of createInterface({ input: process.stdin })) {
  const said = await verifier.verify(line).then(() => "good", ({ code }) => code);
  console.log(JSON.stringify([said, verifier.health()]));
}
verifier.close();
"""


class Judge:
    """A process of Node.js that judges tokens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.health: dict[str, Any] = {}

    def __call__(self, token: str) -> str:
        """What becomes of a token."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{token}\n")
        self._process.stdin.flush()
        said: str
        said, self.health = json.loads(self._process.stdout.readline())
        return said

    def within(self, seconds: float, token: str, code: str) -> str:
        """What becomes of a token once it is that, or after some time."""
        ends = time.monotonic() + seconds
        while (said := self(token)) != code and time.monotonic() < ends:
            pass
        return said


@contextmanager
def judging(folder: Path, **options: object) -> Generator[Judge]:
    """Start it."""
    script = folder / "judge.mjs"
    script.write_text(JUDGE.replace("VERIFIER", str(VERIFIER)))
    command = [node(), str(script), json.dumps(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Judge(process)
        finally:
            process.kill()


def access(issuer: ForeignIssuer, **changes: object) -> str:
    """Make an access token by the real clock."""
    now = int(time.time())
    return issuer.access(None, **{"iat": now, "exp": now + 900, **changes})


def _options(issuer: ForeignIssuer, bridge: RunningBridge, **more: object) -> dict[str, object]:
    feed = {"feedUrl": f"{bridge.url}/revocations", "feedIssuer": bridge.url, "feedSecret": SECRET}
    return {"issuer": issuer.url, "audience": "my-api", **feed, **more}


def test_what_a_bridge_tells_is_refused(tmp_path: Path) -> None:
    """A sign-in by `sid`, a subject by another claim than `sub`; what was issued later is good, and so are others."""
    with ForeignIssuer(clock=time.time) as issuer:
        made = transmitters(issuer.url, tmp_path)
        with (
            running_bridge(tmp_path, *made, clock=time.time) as bridge,
            judging(tmp_path, **_options(issuer, bridge, feedSubject="oid")) as judge,
        ):
            here, there = access(issuer, sid="sign-in-1"), access(issuer, sid="sign-in-2")
            by_oid = access(issuer, sub="pairwise", sid="sign-in-3", oid="user_2")
            for token in (here, there, by_oid):
                assert judge(token) == "good"
            assert judge.within(10, here, "good") == "good"
            assert bridge.log_out(issuer.logout_token()).status_code == 200
            assert judge.within(2, here, "revoked") == "revoked"
            assert (judge(there), judge(by_oid)) == ("good", "good")
            assert bridge.revoke(issuer.person("user_2")).status_code in {200, 202, 204}
            assert judge.within(2, by_oid, "revoked") == "revoked"
            assert judge(there) == "good"
            assert judge(access(issuer, sid="sign-in-1", iat=int(time.time()) + 5)) == "good"
            assert judge.health["feed"] == "live"


def test_a_start_after_the_notice(tmp_path: Path) -> None:
    """The snapshot has it, for the first token already; and without the bridge, `stale` decides."""
    with ForeignIssuer(clock=time.time) as issuer:
        made = transmitters(issuer.url, tmp_path)
        with running_bridge(tmp_path, *made, clock=time.time) as bridge:
            before = access(issuer, sid="sign-in-1")  # one of the next second would be issued later than the notice
            assert bridge.log_out(issuer.logout_token()).status_code == 200
            options = _options(issuer, bridge, stale="refuse")
            with judging(tmp_path, **options) as judge:
                assert judge(before) == "revoked"
                assert judge(access(issuer, sid="sign-in-2")) == "good"
            with judging(tmp_path, **options | {"feedSecret": "x" * 40}) as judge:
                assert judge(access(issuer, sid="sign-in-2")) == "revocation_stale"


@pytest.mark.parametrize(
    "wrong",
    [
        {"feedSecret": "short"},
        {"feedSecret": None},
        {"feedIssuer": None},
        {"feedUrl": "ftp://bridge.example.com"},
        {"feedIssuer": "https://auth.example.com"},
    ],
    ids=str,
)
def test_a_bridge_that_makes_no_sense(wrong: dict[str, str | None], tmp_path: Path) -> None:
    """No token is judged without it: each is refused, again and again."""
    with ForeignIssuer(clock=time.time) as issuer:
        feed: dict[str, str | None] = {
            "feedUrl": "http://127.0.0.1:9/revocations",
            "feedIssuer": "http://127.0.0.1:9",
            "feedSecret": SECRET,
        }
        given = {name: value for name, value in (feed | wrong).items() if value is not None}
        if wrong.get("feedIssuer"):
            given["feedIssuer"] = issuer.url
        with judging(tmp_path, issuer=issuer.url, audience="my-api", **given) as judge:
            token = access(issuer)
            assert [judge(token), judge(token)] == ["invalid_policy"] * 2
