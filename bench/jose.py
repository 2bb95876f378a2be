"""Sign and verify one token per algorithm with gatepass.jose, PyJWT and joserfc, side by side on one core.

Every library gets the same key and the same claims, prepares what it can once, and checks signature, `iss`, `aud`,
`exp` and `nbf`. Rounds of all libraries alternate, and the fastest round counts, so that a busy machine disturbs the
ratios little.
"""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
from joserfc.jws import JWSRegistry

from gatepass.jose import Key, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
ALGORITHMS = ("HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512", "Ed25519")
ROUNDS = 15
SECONDS_A_ROUND = 0.01


class Calls(NamedTuple):
    """What one library does with one key."""

    sign: Callable[[], object]
    verify: Callable[[], object]


def claims() -> dict[str, Any]:
    """Claims that make a token of about 300 characters with HS256."""
    now = int(time.time())
    return {
        "iss": ISSUER, "sub": "user-1234567890", "aud": AUDIENCE, "exp": now + 3600, "nbf": now, "iat": now,
        "jti": "0123456789abcdef", "scope": "read write",
    }  # fmt: skip


def gatepass_calls(key: Key) -> Calls:
    """Prepare gatepass.jose."""
    body = claims()
    token = jwt.sign(body, key)
    return Calls(
        sign=lambda: jwt.sign(body, key),
        verify=lambda: jwt.verify(token, key, issuer=ISSUER, audience=AUDIENCE, typ="JWT"),
    )


def pyjwt_calls(key: Key) -> Calls:
    """Prepare PyJWT, with keys that it has parsed already."""
    body = claims()
    alg = "EdDSA" if key.alg == "Ed25519" else key.alg
    private = pyjwt.PyJWK.from_dict(key.to_jwk(private=True), alg).key
    public = private if key.is_secret else pyjwt.PyJWK.from_dict(key.to_jwk(), alg).key
    token = pyjwt.encode(body, private, alg)
    return Calls(
        sign=lambda: pyjwt.encode(body, private, alg),
        verify=lambda: pyjwt.decode(token, public, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE),
    )


def joserfc_calls(key: Key) -> Calls:
    """Prepare joserfc, with a key, a registry of algorithms and a registry of claims."""
    body, header = claims(), {"alg": key.alg}
    jwk = joserfc.jwk.import_key(key.to_jwk(private=True))
    algorithms = JWSRegistry(algorithms=[key.alg])
    policy = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )
    token = joserfc.jwt.encode(header, body, jwk, registry=algorithms)
    return Calls(
        sign=lambda: joserfc.jwt.encode(header, body, jwk, registry=algorithms),
        verify=lambda: policy.validate(joserfc.jwt.decode(token, jwk, registry=algorithms).claims),
    )


LIBRARIES: dict[str, Callable[[Key], Calls]] = {
    "gatepass": gatepass_calls,
    "PyJWT": pyjwt_calls,
    "joserfc": joserfc_calls,
}


def measure(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return microseconds a call, from the fastest of several alternating rounds."""
    repeats = {name: _repeats(call) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], _seconds(call, repeats[name]) / repeats[name])
    gc.enable()
    return {name: seconds * 1e6 for name, seconds in best.items()}


def _repeats(call: Callable[[], object]) -> int:
    call()
    return max(3, round(SECONDS_A_ROUND / _seconds(call, 3) * 3))


def _seconds(call: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - started


def pin_to_one_core() -> None:
    """Stay on one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    """Print a table: microseconds, and how many times gatepass is faster."""
    pin_to_one_core()
    peers = [name for name in LIBRARIES if name != "gatepass"]
    print(f"{'µs':18}" + "".join(f"{name:>12}" for name in LIBRARIES) + "".join(f"{'x ' + name:>12}" for name in peers))
    for alg in ALGORITHMS:
        key = Key.generate(alg)
        prepared = {name: prepare(key) for name, prepare in LIBRARIES.items()}
        for operation in Calls._fields:
            times = measure({name: getattr(calls, operation) for name, calls in prepared.items()})
            ratios = [times[peer] / times["gatepass"] for peer in peers]
            print(
                f"{alg + ' ' + operation:18}"
                + "".join(f"{times[name]:12.1f}" for name in LIBRARIES)
                + "".join(f"{ratio:12.1f}" for ratio in ratios)
            )


if __name__ == "__main__":
    main()
