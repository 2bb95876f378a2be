"""Signatures that a careless verifier takes: zeros, other encodings, pieces (RFC 7518 §3.2, §3.4)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from tests.support.forge import b64, dumps

from gatepass.jose import Key, errors, jws

CLAIMS = dumps({"sub": "admin"})
ORDERS = {
    "ES256": (0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, 32),
    "ES256K": (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141, 32),
}
CURVES = ("ES256", "ES384", "ES512", "ES256K")


def message(alg: str) -> str:
    """Write what would be signed."""
    return f"{b64(dumps({'alg': alg}))}.{b64(CLAIMS)}"


def refused(alg: str, key: Key, signature: bytes) -> None:
    """Expect that a signature is refused."""
    with pytest.raises(errors.BadSignatureError):
        jws.verify(f"{message(alg)}.{b64(signature)}", key)


@pytest.mark.parametrize("alg", ORDERS)
def test_psychic_signatures(alg: str) -> None:
    """CVE-2022-21449: R and S that are zero, the order or beyond it sign nothing, whatever the key."""
    key = Key.generate(alg)
    order, size = ORDERS[alg]
    special = [value.to_bytes(size, "big") for value in (0, 1, order - 1, order, order + 1, 256**size - 1)]
    for r in special:
        for s in special:
            refused(alg, key, r + s)


@pytest.mark.parametrize("alg", CURVES)
def test_signatures_of_another_length_or_encoding(alg: str) -> None:
    """DER, a leading or trailing octet, halves, none at all: only R and S of full length are a signature."""
    key = Key.generate(alg)
    good = key.sign(message(alg).encode())
    size = len(good) // 2
    r, s = int.from_bytes(good[:size], "big"), int.from_bytes(good[size:], "big")
    assert jws.verify(f"{message(alg)}.{b64(good)}", key).payload == CLAIMS
    der = utils.encode_dss_signature(r, s)
    shapes = (
        der,
        b"",
        b"\0",
        good[:size],
        good[1:],
        good[:-1],
        good + b"\0",
        b"\0" + good,
        good * 2,
        b"\0" + good[:size] + b"\0" + good[size:],
        good[size:] + good[:size],
    )
    for shape in shapes:
        refused(alg, key, shape)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_pieces_of_a_mac(alg: str) -> None:
    """A MAC that is cut, extended, empty, of another hash or in hexadecimal is not the MAC."""
    secret = bytes(range(64))
    key = Key.from_secret(secret, alg)
    name = f"sha{alg[2:]}"
    mac = hmac.new(secret, message(alg).encode(), name).digest()
    assert jws.verify(f"{message(alg)}.{b64(mac)}", key).payload == CLAIMS
    others = [
        hmac.new(secret, message(alg).encode(), other).digest() for other in {"sha256", "sha384", "sha512"} - {name}
    ]
    shapes = (
        b"",
        mac[:1],
        mac[:16],
        mac[:-1],
        mac[1:],
        mac + b"\0",
        mac * 2,
        bytes(len(mac)),
        mac.hex().encode(),
        hashlib.sha256(mac).digest(),
        *others,
    )
    for shape in shapes:
        refused(alg, key, shape)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "Ed25519", "Ed448", "ML-DSA-44"])
def test_pieces_of_other_signatures(alg: str) -> None:
    """The same for the other families, and signatures full of zeros or ones."""
    key = Key.generate(alg)
    good = key.sign(message(alg).encode())
    assert jws.verify(f"{message(alg)}.{b64(good)}", key).payload == CLAIMS
    for shape in (
        b"",
        b"\0",
        good[:-1],
        good[1:],
        good + b"\0",
        b"\0" + good,
        bytes(len(good)),
        b"\xff" * len(good),
        good * 2,
    ):
        refused(alg, key, shape)


def test_pkcs1_and_pss_are_not_each_other() -> None:
    """A signature of one padding is none of the other, under one key."""
    one = Key.generate("RS256")
    other = Key.from_jwk(one.to_jwk(private=True) | {"alg": "PS256"})
    refused("RS256", one, other.sign(message("RS256").encode()))
    refused("PS256", other, one.sign(message("PS256").encode()))
