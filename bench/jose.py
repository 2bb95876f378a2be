"""Sign and verify with gatepass.jose and its peers, side by side on one core.

Every library gets the same key and the same claims, prepares what it can once, and checks signature, `iss`, `aud`,
`exp` and `nbf`. `bare` is the primitive of `cryptography` alone: what no library can go below. Rounds of all libraries
alternate, and the fastest round counts, so that a busy machine disturbs the ratios little.

With `--write`, the tables and a plot go to docs/reference/, where the documentation shows them.
"""

from __future__ import annotations

import gc
import importlib
import os
import platform
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

# This file is called like python-jose's package: without the folder of the script, `import jose` finds the package.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

# ruff: noqa: E402 - the imports come after that

import joserfc.jwk
import joserfc.jwt
import jwt as pyjwt
import oxyjwt
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jws import JWSRegistry

from gatepass.jose import Key, KeySet, base64url, jwe, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
ALGORITHMS = ("HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "Ed25519")
PAYLOADS = (300, 1_024, 4_096, 16_384)
SETS = (1, 10, 100)
ROUNDS = 12
SECONDS_A_ROUND = 0.01
REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


class Calls(NamedTuple):
    """What one library does with one key; None where it does not know the algorithm."""

    verify: Callable[[], object] | None
    sign: Callable[[], object] | None


def claims(size: int = 0) -> dict[str, Any]:
    """Claims that make a token of about 300 characters with HS256, or a payload of about `size` octets."""
    now = int(time.time())
    body: dict[str, Any] = {
        "iss": ISSUER, "sub": "user-1234567890", "aud": AUDIENCE, "exp": now + 3600, "nbf": now, "iat": now,
        "jti": "0123456789abcdef", "scope": "read write",
    }  # fmt: skip
    return body | ({"roles": ["x" * 30] * ((size - len(jwt.encode_claims(body))) // 33)} if size else {})


# ── the libraries ───────────────────────────────────────────────────────────────────────────────────────────────────


def gatepass_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare gatepass.jose."""
    token = jwt.sign(body, key)
    return Calls(
        verify=lambda: jwt.verify(token, key, issuer=ISSUER, audience=AUDIENCE, typ="JWT"),
        sign=lambda: jwt.sign(body, key),
    )


def pyjwt_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare PyJWT, with keys that it has parsed already."""
    alg = key.algs[-1]
    private = pyjwt.PyJWK.from_dict(key.to_jwk(private=True), alg).key
    public = private if key.is_secret else pyjwt.PyJWK.from_dict(key.to_jwk(), alg).key
    token = pyjwt.encode(body, private, alg)
    return Calls(
        verify=lambda: pyjwt.decode(token, public, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE),
        sign=lambda: pyjwt.encode(body, private, alg),
    )


def joserfc_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare joserfc, with a key, a registry of algorithms and a registry of claims."""
    header = {"alg": key.alg}
    jwk = joserfc.jwk.import_key(key.to_jwk(private=True))
    algorithms = JWSRegistry(algorithms=[key.alg])
    policy = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )
    token = joserfc.jwt.encode(header, body, jwk, registry=algorithms)
    return Calls(
        verify=lambda: policy.validate(joserfc.jwt.decode(token, jwk, registry=algorithms).claims),
        sign=lambda: joserfc.jwt.encode(header, body, jwk, registry=algorithms),
    )


def python_jose_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare python-jose, with keys that it has parsed already."""
    construct, tokens = importlib.import_module("jose.jwk").construct, importlib.import_module("jose.jwt")
    private = construct(key.to_jwk(private=True), key.alg)
    public = private if key.is_secret else construct(key.to_jwk(), key.alg)
    token = tokens.encode(body, private, key.alg)
    return Calls(
        verify=lambda: tokens.decode(token, public, algorithms=[key.alg], issuer=ISSUER, audience=AUDIENCE),
        sign=lambda: tokens.encode(body, private, key.alg),
    )


def authlib_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare Authlib, whose jose module still works."""
    with warnings.catch_warnings(record=True):  # it insists on saying that joserfc follows it
        library = importlib.import_module("authlib.jose")
    alg = key.algs[-1]
    tokens, jwk = library.JsonWebToken([alg]), library.JsonWebKey.import_key(key.to_jwk(private=True))
    policy = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": AUDIENCE}}
    token = tokens.encode({"alg": alg}, body, jwk)
    return Calls(
        verify=lambda: tokens.decode(token, jwk, claims_options=policy).validate(),
        sign=lambda: tokens.encode({"alg": alg}, body, jwk),
    )


def jwcrypto_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare jwcrypto, with a key that it has parsed already."""
    library, keys = importlib.import_module("jwcrypto.jwt"), importlib.import_module("jwcrypto.jwk")
    members = {name: value for name, value in key.to_jwk(private=True).items() if name != "alg"}
    jwk, alg = keys.JWK(**members), key.algs[-1]
    expected = {"iss": ISSUER, "aud": AUDIENCE, "exp": None, "nbf": None}

    def sign() -> object:
        token = library.JWT(header={"alg": alg}, claims=body)
        token.make_signed_token(jwk)
        return token.serialize()

    text = sign()

    def verify() -> object:
        token = library.JWT(check_claims=expected, algs=[alg], expected_type="JWS")
        token.deserialize(text, jwk)
        return importlib.import_module("json").loads(token.claims)

    return Calls(verify, sign)


def oxyjwt_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare oxyjwt, which is written in Rust, with keys that it has parsed already."""
    alg = key.algs[-1]
    if key.is_secret:
        secret = base64url.decode(key.to_jwk(private=True)["k"])
        private, public = oxyjwt.EncodingKey.from_secret(secret), oxyjwt.DecodingKey.from_secret(secret)
    else:
        family = {"E": "ec", "R": "rsa", "P": "rsa"}[key.alg[0]] if key.alg != "Ed25519" else "ed"
        private = getattr(oxyjwt.EncodingKey, f"from_{family}_pem")(key.to_pem(private=True))
        public = getattr(oxyjwt.DecodingKey, f"from_{family}_pem")(key.to_pem())
    token = oxyjwt.encode(body, private, alg)
    return Calls(
        verify=lambda: oxyjwt.decode(token, public, algorithms=[alg], issuer=ISSUER, audience=AUDIENCE),
        sign=lambda: oxyjwt.encode(body, private, alg),
    )


def bare_calls(key: Key, body: dict[str, Any]) -> Calls:
    """Prepare the primitive alone, over the octets that gatepass would sign."""
    message, _, encoded = jwt.sign(body, key).rpartition(".")
    data, signature = message.encode(), base64url.decode(encoded)
    private = cast("Any", key)._material  # noqa: SLF001 - the same key, without the library around it
    hashed = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    hash_: hashes.HashAlgorithm = hashed.get(key.alg[-3:], hashed["512"])
    if key.is_secret:
        keyed = hmac.HMAC(private, hash_)

        def mac() -> bytes:
            context = keyed.copy()
            context.update(data)
            return context.finalize()

        return Calls(mac, mac)
    public = private.public_key()
    verifying: tuple[Any, ...] = ()
    signing: tuple[Any, ...] = ()
    if key.alg[:2] == "ES":
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        signature = utils.encode_dss_signature(r, s)
        verifying, signing = (ec.ECDSA(hash_),), (ec.ECDSA(hash_, deterministic_signing=True),)
    elif key.alg[:2] == "RS":
        verifying = signing = (padding.PKCS1v15(), hash_)
    elif key.alg[:2] == "PS":
        verifying = signing = (padding.PSS(padding.MGF1(hash_), hash_.digest_size), hash_)
    return Calls(lambda: public.verify(signature, data, *verifying), lambda: private.sign(data, *signing))


LIBRARIES: dict[str, Callable[[Key, dict[str, Any]], Calls]] = {
    "gatepass": gatepass_calls,
    "PyJWT": pyjwt_calls,
    "joserfc": joserfc_calls,
    "python-jose": python_jose_calls,
    "Authlib": authlib_calls,
    "jwcrypto": jwcrypto_calls,
    "oxyjwt": oxyjwt_calls,
    "bare": bare_calls,
}


def prepared(name: str, key: Key, body: dict[str, Any]) -> Calls:
    """Prepare a library, or say that it does not know the algorithm."""
    try:
        calls = LIBRARIES[name](key, body)
        for call in calls:
            cast("Callable[[], object]", call)()
    except Exception:  # noqa: BLE001 - every library has its own way to say so
        return Calls(None, None)
    return calls


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────


def measure(calls: dict[str, Callable[[], object] | None]) -> dict[str, float]:
    """Return microseconds a call, from the fastest of several alternating rounds."""
    known = {name: call for name, call in calls.items() if call is not None}
    repeats = {name: _repeats(call) for name, call in known.items()}
    best = dict.fromkeys(known, float("inf"))
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in known.items():
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


Rows = list[tuple[str, dict[str, float]]]


def by_algorithm() -> Rows:
    """Measure every library with every algorithm."""
    rows: Rows = []
    for alg in ALGORITHMS:
        key = Key.generate(alg)
        calls = {name: prepared(name, key, claims()) for name in LIBRARIES}
        for operation in Calls._fields:
            times = measure({name: getattr(one, operation) for name, one in calls.items()})
            rows.append((f"{alg} {operation}", times))
            show([rows[-1]], LIBRARIES)
    return rows


SIGNED: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "plain": ({}, None),
    "roles": ({"roles": ["admin", "editor"]}, None),
    "datetimes": ({name: datetime(2040, 1, 1, tzinfo=UTC) for name in ("exp", "nbf", "iat")}, None),
    "headers": ({}, {"kid": "2026-11"}),
}
"""What else one signs: a list, dates as datetimes, a header of one's own."""


def by_claims() -> Rows:
    """Measure signing with HS256 beside PyJWT, by what there is in the claims and headers."""
    key = Key.generate("HS256")
    secret = base64url.decode(key.to_jwk(private=True)["k"])
    rows: Rows = []
    for name, (more, headers) in SIGNED.items():
        body = claims() | more

        def ours(body: dict[str, Any] = body, headers: dict[str, Any] | None = headers) -> str:
            return jwt.sign(body, key, headers=headers)

        def theirs(body: dict[str, Any] = body, headers: dict[str, Any] | None = headers) -> str:
            return pyjwt.encode(body, secret, "HS256", headers)

        times = measure({"gatepass": ours, "PyJWT": theirs})
        rows.append((f"sign, {name}", times))
        show([rows[-1]], times)
        print(f"{'':16}{times['PyJWT'] / times['gatepass']:.1f} x PyJWT", flush=True)
    return rows


def by_payload() -> Rows:
    """Measure how the cost of HS256 grows with the payload."""
    rows: Rows = []
    for size in PAYLOADS:
        key, body = Key.generate("HS256"), claims(size)
        calls = {name: prepared(name, key, body).verify for name in LIBRARIES}
        rows.append((f"{size:,} octets", measure(calls)))
        show([rows[-1]], LIBRARIES)
    return rows


def by_keys() -> Rows:
    """Measure what more keys in a set cost: a token that the set has seen the like of, and one with a new header."""
    rows: Rows = []
    for size in SETS:
        keys = [Key.generate("ES256") for _ in range(size)]
        known, token = KeySet(keys), jwt.sign(claims(), keys[-1])
        header = {"alg": "HS256", "kid": "last"}
        last = Key.from_secret(bytes(32), "HS256", kid="last")
        mixed = KeySet([*keys[1:], last])
        message = jws.signing_input(b"{}", header)
        unfamiliar = jws.assemble(message, last.sign(message))

        def verify_unfamiliar(mixed: KeySet = mixed, unfamiliar: str = unfamiliar) -> None:
            mixed.known_headers.clear()
            jws.verify(unfamiliar, mixed)

        times = measure(
            {
                "ES256": lambda token=token, known=known: jwt.verify(  # type: ignore[misc]
                    token, known, issuer=ISSUER, audience=AUDIENCE, typ="JWT"
                ),
                "HS256, new header": verify_unfamiliar,
            }
        )
        rows.append((f"{size} {'key' if size == 1 else 'keys'}", times))
        show([rows[-1]], times)
    return rows


def encryption() -> Rows:
    """Measure A256GCM under a shared key (`dir`) beside the bare primitive."""
    secret, plaintext = os.urandom(32), b"x" * 200
    key, cipher = Key.from_secret(secret, "A256GCM"), AESGCM(secret)
    token = jwe.encrypt(plaintext, key)
    header, _, iv, ciphertext, tag = token.split(".")
    nonce, sealed = base64url.decode(iv), base64url.decode(ciphertext) + base64url.decode(tag)
    rows: Rows = [
        (
            "decrypt",
            measure(
                {
                    "gatepass": lambda: jwe.decrypt(token, key),
                    "bare": lambda: cipher.decrypt(nonce, sealed, header.encode()),
                }
            ),
        ),
        (
            "encrypt",
            measure(
                {
                    "gatepass": lambda: jwe.encrypt(plaintext, key),
                    "bare": lambda: cipher.encrypt(os.urandom(12), plaintext, header.encode()),
                }
            ),
        ),
    ]
    show(rows, rows[0][1])
    return rows


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(rows: Rows, columns: Iterable[str]) -> None:
    """Print rows as they are measured."""
    for name, times in rows:
        cells = (f"{times[column]:12.1f}" if column in times else f"{'-':>12}" for column in columns)
        print(f"{name:16}" + "".join(cells), flush=True)


def heading(title: str, columns: Iterable[str]) -> None:
    """Print what the columns are."""
    print(f"\n{title} (µs)\n{'':16}" + "".join(f"{column:>12}" for column in columns), flush=True)


def markdown(rows: Rows, columns: list[str]) -> str:
    """Write rows as a table."""
    lines = ["| µs | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    for name, times in rows:
        cells = (f"{times[column]:,.1f}" if column in times else "" for column in columns)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: Rows) -> str:
    """Draw the time to verify and to sign HS256 as bars, the shortest first."""
    bars = [
        (f"{operation} {name}", times[name])
        for operation, (_, times) in zip(Calls._fields, rows[:2], strict=True)
        for name in sorted(times, key=times.__getitem__)
    ]
    scale = 440 / max(value for _, value in bars)
    height = 22 * len(bars) + 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {height}" font-family="sans-serif" font-size="13">',
        "<title>Microseconds to verify and to sign a token of 300 characters with HS256</title>",
    ]
    for number, (name, value) in enumerate(bars):
        top, fill = 8 + 22 * number, "#1a7f5a" if name.endswith("gatepass") else "#9aa5b1"
        lines.append(f'<text x="150" y="{top + 13}" text-anchor="end" fill="currentColor">{name}</text>')
        lines.append(f'<rect x="160" y="{top}" width="{value * scale:.1f}" height="17" fill="{fill}"/>')
        lines.append(f'<text x="{166 + value * scale:.1f}" y="{top + 13}" fill="currentColor">{value:.1f} µs</text>')
    return "\n".join((*lines, "</svg>", ""))


PAGE = """<!-- Written by `python bench/jose.py --write`; change it there. -->

# Speed of gatepass.jose

Microseconds a call, less is better: {python}, one core of {machine}, all libraries in the same process, the fastest
of {rounds} alternating rounds. Each has prepared its keys, and checks the signature, `iss`, `aud`, `exp` and `nbf`;
ours checks the rest of its policy too, strict JSON and base64url and all. `bare` is the primitive of `cryptography`
alone; oxyjwt is written in Rust. Repeat it with `make bench ARGS=jose`.

![HS256: verify and sign](jose-speed.svg)

## By algorithm

{algorithms}

## By what is signed

Signing with HS256: plain claims, a list of roles beside them, their dates as datetimes, and a `kid` in `headers`.

{claims}

## By size of the payload

Verifying HS256.

{payloads}

## By keys in the set

A token whose header the set has seen before, and one with a header that is new to it.

{keys}

## Encryption

A256GCM under a shared key, 200 octets.

{encryption}
"""


def main() -> None:
    """Measure, print, and write if asked."""
    warnings.simplefilter("ignore")
    pin_to_one_core()
    columns = list(LIBRARIES)
    heading("by algorithm", columns)
    algorithms = by_algorithm()
    for name, times in algorithms[:2]:
        ratios = ", ".join(f"{times[peer] / times['gatepass']:.1f} x {peer}" for peer in columns[1:-1])
        print(f"{name}: {ratios}")
    heading("HS256 sign by claims", ("gatepass", "PyJWT"))
    signed = by_claims()
    heading("HS256 verify by payload", columns)
    payloads = by_payload()
    heading("by keys in the set", ("ES256", "new header"))
    keys = by_keys()
    heading("A256GCM, dir", ("gatepass", "bare"))
    encrypted = encryption()
    if "--write" in sys.argv[1:]:
        page = PAGE.format(
            python=f"{platform.python_implementation()} {platform.python_version()}",
            machine=_processor(),
            rounds=ROUNDS,
            algorithms=markdown(algorithms, columns),
            claims=markdown(signed, ["gatepass", "PyJWT"]),
            payloads=markdown(payloads, columns),
            keys=markdown(keys, list(keys[0][1])),
            encryption=markdown(encrypted, ["gatepass", "bare"]),
        )
        (REFERENCE / "jose-speed.md").write_text(page)
        (REFERENCE / "jose-speed.svg").write_text(plot(algorithms))


def _processor() -> str:
    """Name the processor, where the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
