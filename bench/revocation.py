"""From a revocation to the refusal: how long until four verifiers that never ask about a token refuse it.

Timed from the answer to `POST /logout`, or from the end of `gatepass user logout`, to the first refusal at each
verifier, which verifies the token again and again. The server is on core 0; everything else is on core 1.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from _load import check_tools, gatepass
from gatepass.jose import JoseError
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from _load import Running

VERIFIERS = 4
BY_API, BY_COMMAND = 200, 30
LIST_SECONDS = 10


def until_refused(verifier: Verifier, token: str, took: list[float], started: list[float]) -> None:
    """Verify until it is refused; the time since the revocation was answered, in milliseconds."""
    while True:
        try:
            verifier.verify(token)
        except JoseError as error:
            if error.code != "revoked":
                raise
            break
        time.sleep(0.001)
    refused = time.perf_counter()
    while not started:
        time.sleep(0.0001)
    took.append(max(0.0, (refused - started[0]) * 1000))


def revoke(server: Running, by: Literal["API", "command"]) -> tuple[str, Callable[[], None]]:
    """Sign somebody in; the token, and what revokes it."""
    person = {"email": f"{secrets.token_hex(6)}@example.test", "password": "correct horse battery"}
    api = server.client()
    api.post("/signup", json=person)
    token = api.post("/login", json=person).json()["token"]

    def by_api() -> None:
        api.post("/logout", headers={"authorization": f"Bearer {token}"})

    def by_command() -> None:
        server.command("user", "logout", person["email"])

    return token, by_api if by == "API" else by_command


def measure(
    server: Running,
    mode: Literal["feed", "list"],
    by: Literal["API", "command"],
    count: int,
    *,
    issuer: str | None = None,
) -> list[float]:
    """Revoke one after the other; the milliseconds of every verifier every time. The issuer may be another node."""
    took: list[float] = []
    issuer = issuer or server.url
    with contextlib.ExitStack() as stack:
        verifiers = [
            stack.enter_context(Verifier(issuer=issuer, audience=issuer, revocation=mode)) for _ in range(VERIFIERS)
        ]
        for _ in range(count):
            token, happen = revoke(server, by)
            for verifier in verifiers:
                verifier.verify(token)
            started: list[float] = []
            threads = [
                threading.Thread(target=until_refused, args=(verifier, token, took, started)) for verifier in verifiers
            ]
            for thread in threads:
                thread.start()
            happen()
            started.append(time.perf_counter())
            for thread in threads:
                thread.join()
    return took


def main() -> None:
    """Measure, and print a table."""
    check_tools()
    os.sched_setaffinity(0, {1})
    settings = {"argon2_memory_kib": 8, "argon2_passes": 1, "status_list_seconds": LIST_SECONDS}
    print("\n| revoked by | told by | refusals | p50 | p99 | longest |\n|---|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder), **settings) as server:
        for by, mode, count in [("API", "feed", BY_API), ("command", "feed", BY_COMMAND), ("API", "list", 10)]:
            took = sorted(measure(server, mode, by, count))  # type: ignore[arg-type] # as written above
            p99 = statistics.quantiles(took, n=100)[98]
            told = "push" if mode == "feed" else f"list alone, ttl {LIST_SECONDS} s"
            print(
                f"| {by} | {told} | {len(took)} | {statistics.median(took):,.0f} ms | {p99:,.0f} ms "
                f"| {took[-1]:,.0f} ms |",
                flush=True,
            )


if __name__ == "__main__":
    main()
