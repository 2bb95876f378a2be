"""Unsecured tokens: `alg: none` in every spelling, with and without a signature (RFC 8725bis §3.2)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from tests.support.forge import b64, dumps, hs256

from gatepass.jose import Key, KeySet, errors, jwe, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = bytes(range(32))
KEYS: tuple[Key | KeySet, ...] = (
    Key.from_secret(SECRET, "HS256"),
    Key.generate("ES256").public(),
    KeySet([Key.generate("Ed25519")]),
    KeySet([]),
)
SPELLINGS = [
    *sorted({"".join(letters) for letters in product("nN", "oO", "nN", "eE")}),
    "", " none", "none ", "none\0", "n\u043ene", "null", "NULL", "None.", "no", "hs256", "HS256 ", "HS2560", "*",
]  # fmt: skip
CLAIMS = dumps({"sub": "admin", "exp": 4_000_000_000})


@pytest.mark.parametrize("alg", SPELLINGS)
def test_no_spelling_of_none_is_an_algorithm(alg: str) -> None:
    """Without a signature, with a HMAC, and with rubbish: refused by every kind of key, compact and JSON."""
    header = dumps({"alg": alg, "typ": "JWT"})
    tokens = (f"{b64(header)}.{b64(CLAIMS)}.", hs256(SECRET, header, CLAIMS), f"{b64(header)}.{b64(CLAIMS)}.AAAA")
    for token, keys in product(tokens, KEYS):
        with pytest.raises(errors.AlgNotAllowedError):
            jwt.verify(token, keys, issuer=None, audience=None, typ=None)
        with pytest.raises(errors.AlgNotAllowedError):
            jws.verify(token, keys)
        with pytest.raises(errors.AlgNotAllowedError):
            jwt.peek(token)
    for header_ in ({"protected": b64(header)}, {"header": {"alg": alg}}):
        with pytest.raises(errors.AlgNotAllowedError):
            jws.verify_json({"payload": b64(CLAIMS), "signature": ""} | header_, KEYS[0])


@pytest.mark.parametrize("alg", SPELLINGS)
def test_no_key_is_for_none(alg: str) -> None:
    """No way of making a key takes it, so nothing can sign or accept it."""
    attempts: tuple[Callable[[], Key], ...] = (
        lambda: Key.generate(alg),
        lambda: Key.from_secret(SECRET, alg),
        lambda: Key.from_jwk({"kty": "oct", "k": b64(SECRET), "alg": alg}),
        lambda: Key.from_jwk({"kty": "oct", "k": b64(SECRET)}, alg),
        lambda: Key.from_pem(Key.generate("ES256").to_pem(), alg),
    )
    for attempt in attempts:
        with pytest.raises(errors.InvalidKeyError):
            attempt()


@pytest.mark.parametrize(
    "header",
    [b"{}", b'{"typ":"JWT"}', b'{"alg":null}', b'{"alg":[]}', b'{"alg":0}', b'{"alg":true}', b'{"Alg":"HS256"}'],
)
def test_no_algorithm_at_all(header: bytes) -> None:
    """An absent `alg`, or one that is no string, is malformed, although the HMAC is right."""
    with pytest.raises(errors.MalformedError):
        jwt.verify(hs256(SECRET, header, CLAIMS), KEYS[0], issuer=None, audience=None, typ=None)


@pytest.mark.parametrize("alg", ["none", "RSA1_5", "RSA1_5 ", "rsa1_5", "HS256"])
def test_nothing_is_decrypted_without_an_algorithm(alg: str) -> None:
    """The same for encrypted tokens, where RSA1_5 does not exist either."""
    token = ".".join((b64(dumps({"alg": alg, "enc": "A256GCM"})), "", b64(bytes(12)), b64(CLAIMS), b64(bytes(16))))
    for alg_ in ("A256GCM", "A256KW", "RSA-OAEP"):
        with pytest.raises(errors.AlgNotAllowedError):
            jwe.decrypt(token, Key.generate(alg_))
