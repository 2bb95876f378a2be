"""Verify an access token with `gatepass.verify`, the first time and again, beside PyJWT and the bare signature.

Every column checks signature, `iss`, `aud` and `exp` of the same token with keys that are prepared; ours checks `typ`
and the claims of RFC 9068 too, asks what has been revoked, and makes a `Principal`. All on one core, in processor time;
the fastest of several rounds counts.

Then requests as an API sees them: 10,000 people, whom a Zipf distribution makes come often or rarely, a million
requests (those that do not remember tokens get fewer; each costs them the same).
"""

from __future__ import annotations

import os
import random
import sys
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import oxyjwt

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.scripted_issuer import JWKS, Clock, ScriptedIssuer
from tests.support.wait import eventually

from gatepass.jose import Key, KeySet, base64url, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.verify import Principal

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
ALGORITHMS = ("HS256", "ES256", "RS256", "Ed25519")
ROUNDS = 15
SECONDS_A_ROUND = 0.02
REMEMBERED = 10_000
PEOPLE = 10_000
REQUESTS_EACH = 100
FEW = 10_000
MIX_ROUNDS = 3


def claims(number: int = 0) -> dict[str, Any]:
    """What an access token of a Gatepass server says."""
    now = int(time.time())
    return {
        "iss": ISSUER, "sub": "usr_01JD3V8Z5T2K4M6N8P0Q", "aud": AUDIENCE, "exp": now + 900, "iat": now,
        "jti": f"tok_{number:020}", "client_id": "first-party", "sid": "ses_01JD3V8Z5T2K4M6N8P0Q",
        "scope": "orders:read orders:write", "roles": ["member"], "auth_time": now, "amr": ["pwd"],
    }  # fmt: skip


def microseconds(call: Callable[[], object]) -> float:
    """Time a call, in processor time."""
    timer = timeit.Timer(call, timer=time.process_time)
    timer.timeit(3)
    repeats = max(3, round(SECONDS_A_ROUND / max(timer.timeit(3), 1e-6) * 3))
    return min(timer.repeat(ROUNDS, repeats)) / repeats * 1e6


class Nothing:
    """A list of what is revoked, in memory, with nothing on it."""

    def is_revoked(self, principal: Principal) -> bool:  # noqa: ARG002 - a `Denylist`
        """Say no."""
        return False


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


# ── with what is revoked ────────────────────────────────────────────────────────────────────────────────────────────


def followed() -> tuple[float, float]:
    """Microseconds for a token seen before by a verifier that follows its issuer, and what following costs of that."""
    clock = Clock(float(int(time.time())))
    with ScriptedIssuer(clock=clock, revokes=True) as issuer:
        now = int(clock())
        token = issuer.token(status=issuer.at(5), iat=now, exp=now + 900).encode()
        with Verifier(issuer=issuer.url, audience=AUDIENCE, clock=clock) as verifier:
            verifier.verify(token.decode("latin-1"))
            eventually(lambda: verifier.health().feed == "live")
            with_it = microseconds(lambda: verifier.verify(token.decode("latin-1")))
        key = issuer.keys[0].public()
        without = Verifier(issuer=issuer.url, audience=AUDIENCE, keys=key, clock=clock)
        return with_it, with_it - microseconds(lambda: without.verify(token.decode("latin-1")))


# ── requests as they come ───────────────────────────────────────────────────────────────────────────────────────────


def a_second(verify: Callable[[str], object], requests: list[bytes]) -> float:
    """How many requests a second of processor time."""
    began = time.process_time()
    for request in requests:
        verify(request.decode("latin-1"))
    return len(requests) / (time.process_time() - began)


def mix() -> None:
    """Print how many requests a second each library serves."""
    with ScriptedIssuer() as issuer:
        private = issuer.keys[0]
        now = int(time.time())
        tokens = [
            issuer.token(iat=now, exp=now + 900, jti=f"t{number}", sub=f"usr_{number:020}", scope="read").encode()
            for number in range(PEOPLE)
        ]
        weights = [1 / rank for rank in range(1, PEOPLE + 1)]
        requests = random.Random(1).choices(tokens, weights, k=REQUESTS_EACH * PEOPLE)  # noqa: S311 - no secret
        few = requests[:FEW]
        issuer_url, public = issuer.url, private.public()
        fetched = pyjwt.PyJWKClient(issuer.origin + JWKS)
        jwk = joserfc.jwk.KeySet.import_key_set(cast("Any", KeySet([public]).to_jwks()))
        registry = joserfc.jwt.JWTClaimsRegistry(iss={"value": issuer_url}, aud={"value": AUDIENCE})
        oxy = oxyjwt.DecodingKey.from_ec_pem(public.to_pem())
        verifier = Verifier(issuer=issuer_url, audience=AUDIENCE, revocation=Nothing())
        forgetful = Verifier(issuer=issuer_url, audience=AUDIENCE, revocation=Nothing(), cache_size=0)
        contenders: dict[str, tuple[Callable[[str], object], list[bytes]]] = {
            "gatepass": (verifier.verify, requests),
            "gatepass, remembering none": (forgetful.verify, few),
            "PyJWT + PyJWKClient": (
                lambda token: pyjwt.decode(
                    token,
                    fetched.get_signing_key_from_jwt(token).key,
                    algorithms=["ES256"],
                    issuer=issuer_url,
                    audience=AUDIENCE,
                ),
                few,
            ),
            "joserfc": (lambda token: registry.validate(joserfc.jwt.decode(token, jwk).claims), few),
            "oxyjwt (Rust)": (
                lambda token: oxyjwt.decode(token, oxy, algorithms=["ES256"], issuer=issuer_url, audience=AUDIENCE),
                few,
            ),
        }
        print(f"{PEOPLE:,} people, {len(requests):,} requests, ES256")
        for name, (verify, given) in contenders.items():
            print(f"{name:30}{max(a_second(verify, given) for _ in range(MIX_ROUNDS)):12,.0f} a second")
        print(f"memory after that: {_resident():.0f} MB", end="")
        for _ in range(2):
            a_second(verifier.verify, requests)
        print(f", and after twice as many again: {_resident():.0f} MB")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * 4096 / 1e6


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
    with_it, cost = followed()
    print(f"ES256, seen before, following the issuer: {with_it:.2f}, of which the check {cost:.2f}")
    mix()
    print(f"{REMEMBERED} remembered tokens: {memory():.1f} MB")


if __name__ == "__main__":
    main()
