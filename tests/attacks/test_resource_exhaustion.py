"""Input that costs much to refuse: length, dots, depth, bombs, rounds, moduli, crowds."""

from __future__ import annotations

import tracemalloc
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.support.cost import cost_of
from tests.support.forge import b64, dumps, hs256, signed

from gatepass.jose import Key, KeySet, algorithms, errors, jwe, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = bytes(range(32))
KEY = Key.from_secret(SECRET, "HS256")
DIRECT = Key.from_secret(SECRET, "A256GCM")
MEGABYTE = 1_000_000


def refused_cheaply(attempt: Callable[[], object], *, cost: float = 5, octets: int = 8 * MEGABYTE) -> errors.JoseError:
    """Expect an error that cost little processor time, in yardsticks, and little memory."""

    def refused() -> None:
        with pytest.raises(errors.JoseError):
            attempt()

    assert cost_of(refused) < cost
    tracemalloc.start()
    with pytest.raises(errors.JoseError) as caught:
        attempt()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < octets
    assert len(str(caught.value)) < 200
    return caught.value


def verified(token: str | bytes) -> object:
    """Verify with a policy that any claims satisfy."""
    return jwt.verify(token, KEY, issuer=None, audience=None, typ=None)


HUGE: dict[str, str | bytes] = {
    "letters": "A" * 10 * MEGABYTE,
    "dots": "." * 10 * MEGABYTE,
    "dots and letters": "a." * 5 * MEGABYTE,
    "octets": b"\xff" * 10 * MEGABYTE,
    "a long payload": signed(SECRET, f"{b64(dumps({'alg': 'HS256'}))}.{'A' * 4 * MEGABYTE}"),
    "a long header": f"{'A' * 4 * MEGABYTE}.e30.AAAA",
    "a long signature": f"{b64(dumps({'alg': 'HS256'}))}.e30.{'A' * 4 * MEGABYTE}",
    "characters of four octets": "\U0001f600" * MEGABYTE,
}


@pytest.mark.parametrize("name", HUGE)
def test_tokens_of_megabytes(name: str) -> None:
    """CVE-2025-61920, CVE-2025-30204: measured first, never split or decoded, and not copied into the error."""
    token = HUGE[name]
    for attempt in (
        lambda: verified(token),
        lambda: jws.verify(token, KEY),
        lambda: jws.verify_detached(token, b"", KEY),
        lambda: jws.verify_json(token, KEY),
        lambda: jwe.decrypt(token, DIRECT),
        lambda: jwe.decrypt_json(token, DIRECT),
        lambda: jwt.peek(token),
    ):
        assert refused_cheaply(attempt, octets=MEGABYTE).code == "token_too_long"


def test_many_dots_within_the_limit() -> None:
    """A token of dots alone is cut only as often as it has parts."""
    for token in ("." * 250_000, "a." * 125_000):
        for attempt in (partial(verified, token), partial(jwe.decrypt, token, DIRECT), partial(jwt.peek, token)):
            assert refused_cheaply(attempt).code == "malformed"


def test_a_header_of_the_whole_length() -> None:
    """The header has a bound of its own."""
    header = dumps({"alg": "HS256", "x": "y" * 100_000})
    assert refused_cheaply(lambda: verified(hs256(SECRET, header, b"{}"))).code == "token_too_long"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"[[{},"])
def test_nesting(opening: bytes) -> None:
    """CVE-2025-53864: 20,000 levels are an error of ours, not of the interpreter."""
    nested = b'{"x":' + opening * 20_000
    for payload in (nested, nested + b"1" + b"]" * 20_000 + b"}"):
        assert refused_cheaply(partial(verified, hs256(SECRET, dumps({"alg": "HS256"}), payload))).code == "malformed"


def test_a_number_of_a_hundred_thousand_digits() -> None:
    """Converting it would take quadratic time."""
    payload = b'{"exp":' + b"9" * 100_000 + b"}"
    assert refused_cheaply(lambda: verified(hs256(SECRET, dumps({"alg": "HS256"}), payload))).code == "malformed"


def test_a_hundred_thousand_names() -> None:
    """Names that are all different are read once more to see that they are."""
    payload = b"{" + b",".join(b'"%d" :1' % number for number in range(12_000)) + b',"1":1}'
    token = hs256(SECRET, dumps({"alg": "HS256"}), payload)
    assert refused_cheaply(lambda: verified(token)).code == "malformed"


@pytest.mark.parametrize("size", [MEGABYTE, 50 * MEGABYTE])
def test_zip_bombs(size: int) -> None:
    """CVE-2024-33664, CVE-2024-28102 and others: inflating stops at the limit."""
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = compressor.compress(bytes(size)) + compressor.flush()
    header = b64(dumps({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}))
    ciphertext, tag = algorithms.CONTENTS["A256GCM"].mode.seal(SECRET, bytes(12), bomb, header.encode())
    token = f"{header}..{b64(bytes(12))}.{b64(ciphertext)}.{b64(tag)}"
    assert refused_cheaply(lambda: jwe.decrypt(token, DIRECT)).code == "token_too_long"


@pytest.mark.parametrize("p2c", [1_200_001, 10**9, 2**31, 2**63, 10**100])
def test_rounds_without_end(p2c: int) -> None:
    """CVE-2022-36083, CVE-2023-50967 and others: more rounds than the key allows are not begun."""
    key = Key.from_password("correct horse", "PBES2-HS256+A128KW")
    header = dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": b64(bytes(16)), "p2c": p2c})
    token = f"{b64(header)}.{b64(bytes(24))}.{b64(bytes(12))}.AAAA.{b64(bytes(16))}"
    assert refused_cheaply(lambda: jwe.decrypt(token, key)).code == "malformed"


def test_a_password_is_never_asked_for_by_the_token() -> None:
    """A key for AES key wrap does not become a password because the header says PBES2."""
    header = dumps({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": b64(bytes(16)), "p2c": 1000})
    token = f"{b64(header)}.{b64(bytes(24))}.{b64(bytes(12))}.AAAA.{b64(bytes(16))}"
    for key in (Key.generate("A128KW"), KeySet([Key.generate("A128KW")])):
        assert refused_cheaply(partial(jwe.decrypt, token, key)).code == "alg_not_allowed"


@pytest.mark.parametrize("bits", [8200, 16_384, 65_536, 500_000])
def test_moduli_without_end(bits: int) -> None:
    """A key of half a million bits is refused before anything is computed with it."""
    modulus = b64(((1 << (bits - 1)) | 1).to_bytes(bits // 8, "big"))
    for extra in ({}, {"d": modulus, "p": modulus, "q": modulus, "dp": "AQ", "dq": "AQ", "qi": "AQ"}):
        jwk = {"kty": "RSA", "alg": "RS256", "n": modulus, "e": "AQAB"} | extra
        assert refused_cheaply(partial(Key.from_jwk, jwk)).code in ("weak_key", "invalid_key")


def test_crowds() -> None:
    """Ten thousand signatures, recipients or keys are counted, not tried."""
    entry = {"protected": b64(dumps({"alg": "HS256"})), "signature": b64(bytes(32))}
    document = {"payload": "e30", "signatures": [entry] * 10_000}
    assert refused_cheaply(lambda: jws.verify_json(document, KEY)).code == "token_too_long"
    crowd = jwe.encrypt_json(b"x", [Key.generate("A256KW")])
    crowd["recipients"] *= 10_000
    assert refused_cheaply(lambda: jwe.decrypt_json(crowd, DIRECT)).code == "token_too_long"
    keys = {"keys": [{"kty": "EC"}] * 10_001}
    assert refused_cheaply(lambda: KeySet.from_jwks(keys)).code == "invalid_key"
    text = dumps(keys) + b" " * 30 * MEGABYTE
    assert refused_cheaply(lambda: KeySet.from_jwks(text), octets=MEGABYTE).code == "invalid_key"
