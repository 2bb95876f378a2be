"""Verify an access token with `gatepass.verify`, the first time and again, beside PyJWT and the bare signature.

Every column checks signature, `iss`, `aud` and `exp` of the same token with keys that are prepared; ours checks `typ`
and the claims of RFC 9068 too, and makes a `Principal`. All on one core; the fastest of several rounds counts.
"""

from __future__ import annotations

import os
import sys
import time
import timeit
from typing import TYPE_CHECKING, Any

import jwt as pyjwt

from gatepass.jose import Key, base64url, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
ALGORITHMS = ("HS256", "ES256", "RS256", "Ed25519")
ROUNDS = 15
SECONDS_A_ROUND = 0.02
REMEMBERED = 10_000


def claims(number: int = 0) -> dict[str, Any]:
    """What an access token of a Gatepass server says."""
    now = int(time.time())
    return {
        "iss": ISSUER, "sub": "usr_01JD3V8Z5T2K4M6N8P0Q", "aud": AUDIENCE, "exp": now + 900, "iat": now,
        "jti": f"tok_{number:020}", "client_id": "first-party", "sid": "ses_01JD3V8Z5T2K4M6N8P0Q",
        "scope": "orders:read orders:write", "roles": ["member"], "auth_time": now, "amr": ["pwd"],
    }  # fmt: skip


def microseconds(call: Callable[[], object]) -> float:
    """Time a call."""
    timer = timeit.Timer(call)
    timer.timeit(3)
    repeats = max(3, round(SECONDS_A_ROUND / timer.timeit(3) * 3))
    return min(timer.repeat(ROUNDS, repeats)) / repeats * 1e6


def pyjwt_decode(private: Key) -> Callable[[], object]:
    """Prepare PyJWT, with a token that has the algorithm's name as PyJWT spells it."""
    alg = "EdDSA" if private.alg == "Ed25519" else private.alg
    secret = pyjwt.PyJWK.from_dict(private.to_jwk(private=True), alg).key
    public = secret if private.is_secret else pyjwt.PyJWK.from_dict(private.to_jwk(), alg).key
    token = pyjwt.encode(claims(), secret, alg, headers={"typ": "at+jwt"})
    return lambda: pyjwt.decode(token, public, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE)


def bare_signature(key: Key, token: str) -> Callable[[], object]:
    """Prepare what no verifier can do without."""
    message, _, signature = token.rpartition(".")
    octets, decoded = message.encode(), base64url.decode(signature)
    return lambda: key.verify(octets, decoded)


def row(alg: str) -> str:
    """Measure one algorithm."""
    private = Key.generate(alg)
    key = private if private.is_secret else private.public()
    token = jwt.sign(claims(), private, typ="at+jwt")
    header = token.encode()  # a request brings a new string, whose hash nobody knows yet
    forgetful = Verifier(issuer=ISSUER, audience=AUDIENCE, keys=key, cache_size=0)
    verifier = Verifier(issuer=ISSUER, audience=AUDIENCE, keys=key)
    bare, first, again, pyjwt_ = map(
        microseconds,
        (
            bare_signature(key, token),
            lambda: forgetful.verify(token),
            lambda: verifier.verify(header.decode("latin-1")),
            pyjwt_decode(private),
        ),
    )
    return (
        f"{alg:10}{bare:10.1f}{first:10.1f}{again:10.2f}{pyjwt_:10.1f}"
        f"{first - bare:14.1f}{pyjwt_ / first:14.1f}{pyjwt_ / again:14.0f}"
    )


def memory() -> float:
    """Remember many tokens, and return the megabytes that they take."""
    import tracemalloc  # noqa: PLC0415 - it slows everything that is measured before

    key = Key.generate("HS256")
    verifier = Verifier(issuer=ISSUER, audience=AUDIENCE, keys=key, cache_size=REMEMBERED)
    tokens = (jwt.sign(claims(number), key, typ="at+jwt") for number in range(REMEMBERED))
    tracemalloc.start()
    for token in tokens:
        verifier.verify(token)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / 1e6


def main() -> None:
    """Print a table in microseconds, and what remembered tokens cost in memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"verify, µs on one core, CPython {sys.version.split()[0]}, PyJWT {pyjwt.__version__}")
    print(
        f"{'':10}{'bare':>10}{'first':>10}{'again':>10}{'PyJWT':>10}"
        f"{'first - bare':>14}{'PyJWT / first':>14}{'PyJWT / again':>14}"
    )
    for alg in ALGORITHMS:
        print(row(alg))
    print(f"{REMEMBERED} remembered tokens: {memory():.1f} MB")


if __name__ == "__main__":
    main()
