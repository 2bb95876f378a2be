"""What an API's users notice when its issuer is in trouble, or somebody makes trouble for both: nothing, it should be.

The issuer is a server of the tests on loopback. Times are of the wall, on one core that the issuer's threads share.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.scripted_issuer import JWKS, METADATA, Clock, ScriptedIssuer, answer

from gatepass.jose import Key
from gatepass.jose.errors import UnknownKeyError
from gatepass.verify import Verifier

if TYPE_CHECKING:
    import socket

AUDIENCE = "my-api"
GOOD_TOKENS = 2_000
UNKNOWN = 10_000
DRIPS = 400
TURN_SECONDS = 0.001


def p99(times: list[float]) -> float:
    """The 99th percentile, in microseconds."""
    return statistics.quantiles(times, n=100)[98] * 1e6


def flood() -> None:
    """Ten thousand tokens with keys that do not exist, between good ones that were never seen before."""
    clock = Clock()
    forger = Key.generate("ES256")
    with ScriptedIssuer(clock=clock) as issuer, Verifier(issuer=issuer.url, audience=AUDIENCE, clock=clock) as verifier:
        verifier.verify(issuer.token(jti="first"))
        forged = itertools.cycle(
            [issuer.token(Key.from_jwk(forger.to_jwk(private=True) | {"kid": f"k{n}"})) for n in range(500)]
        )
        good = [issuer.token(jti=f"t{n}") for n in range(2 * GOOD_TOKENS)]
        asked = issuer.count()

        def timed(token: str) -> float:
            began = time.perf_counter()
            verifier.verify(token)
            return time.perf_counter() - began

        calm = [timed(token) for token in good[:GOOD_TOKENS]]
        between: list[float] = []
        for token in good[GOOD_TOKENS:]:
            for _ in range(UNKNOWN // GOOD_TOKENS):
                with suppress(UnknownKeyError):
                    verifier.verify(next(forged))
            between.append(timed(token))
        print(f"{UNKNOWN:,} tokens with unknown kids: {issuer.count() - asked} fetches")
        print(f"good tokens, p99: {p99(calm):.0f} µs in peace, {p99(between):.0f} µs between them")


def drips(connection: socket.socket) -> None:
    """Send keys an octet at a time, at which they never end."""
    connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    for _ in range(DRIPS):
        connection.sendall(b" ")
        time.sleep(0.01)


def dripping() -> None:
    """An event loop that turns every millisecond, while keys are fetched from a server that drips."""
    clock = Clock()
    with ScriptedIssuer(clock=clock) as issuer:
        verifier = Verifier(issuer=issuer.url, audience=AUDIENCE, revocation=None, clock=clock)
        verifier.verify(issuer.token())
        issuer.scripts[JWKS] = drips
        clock.advance(3600)

        async def turn(seconds: float) -> list[float]:
            late: list[float] = []
            ends = time.perf_counter() + seconds
            while time.perf_counter() < ends:
                began = time.perf_counter()
                await asyncio.sleep(TURN_SECONDS)
                late.append(time.perf_counter() - began - TURN_SECONDS)
                await verifier.averify(issuer.token(jti=f"t{len(late)}", exp=int(clock()) + 900))
            return late

        late = asyncio.run(turn(DRIPS * 0.01 * 0.75))
        print(
            f"event loop beside a dripping server: late by {max(late) * 1e3:.1f} ms at most, {p99(late):.0f} µs at p99"
        )


def outage() -> None:
    """A day without the issuer, in which a token comes every minute; then it is back."""
    clock = Clock()
    with (
        ScriptedIssuer(clock=clock, revokes=True) as issuer,
        Verifier(issuer=issuer.url, audience=AUDIENCE, clock=clock, stale="serve") as verifier,
    ):
        verifier.verify(issuer.token())
        for path in (METADATA, JWKS, "/revocations", "/revocations/snapshot"):
            issuer.scripts[path] = lambda connection: answer(connection, b"", status=503)
        issuer.say(None)
        served, slowest = 0, 0.0
        for minute in range(24 * 60):
            clock.advance(60)
            token = issuer.token(jti=f"t{minute}", iat=int(clock()), exp=int(clock()) + 900)
            began = time.perf_counter()
            served += verifier.verify(token).token_id == f"t{minute}"
            slowest = max(slowest, time.perf_counter() - began)
        health = verifier.health()
        print(
            f"a day without the issuer: {served} of {24 * 60} tokens verified, "
            f"the slowest in {slowest * 1e3:.1f} ms; then health says {health.feed}"
        )


def main() -> None:
    """Print what happened."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    logging.disable(logging.WARNING)  # which say that the issuer is away
    flood()
    dripping()
    outage()


if __name__ == "__main__":
    main()
