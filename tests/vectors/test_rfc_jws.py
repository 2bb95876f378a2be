"""The signature examples of the RFCs, typed from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gatepass.jose import Key, errors, jws


def load(name: str) -> Any:  # noqa: ANN401 - each file has its own shape
    """Read a file of vectors."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


RFC7515 = load("rfc7515")


@pytest.mark.parametrize("example", RFC7515["compact"], ids=lambda example: example["section"])
def test_rfc7515_compact(example: dict[str, Any]) -> None:
    """RFC 7515 App. A: each token verifies, and signing again gives one that does."""
    key = Key.from_jwk(example["key"])
    payload = RFC7515["payload"].encode()
    assert jws.verify(example["token"], key).payload == payload
    assert jws.verify(jws.sign(payload, key), key).payload == payload


@pytest.mark.parametrize("example", RFC7515["refused"], ids=lambda example: example["section"])
def test_rfc7515_refused(example: dict[str, Any]) -> None:
    """RFC 7515 A.5 is unsecured and App. E needs an extension that nobody has: both are refused."""
    with pytest.raises(errors.JoseError) as caught:
        jws.verify(example["token"], Key.from_jwk(RFC7515["compact"][0]["key"]))
    assert caught.value.code == example["code"]


def test_rfc7797() -> None:
    """RFC 7797 §4: the same content encoded, and unencoded in two serialisations; ours are the same octets."""
    vectors = load("rfc7797")
    key, payload = Key.from_jwk(vectors["key"]), vectors["payload"].encode()
    assert jws.sign(payload, key) == vectors["encoded"]
    assert jws.sign_detached(payload, key, b64=False) == vectors["detached"]
    assert jws.sign_json(payload, key, b64=False) == vectors["flattened"]
    assert jws.verify(vectors["encoded"], key).payload == payload
    assert jws.verify_detached(vectors["detached"], payload, key).payload == payload
    assert jws.verify_json(vectors["flattened"], key).payload == payload


def test_rfc8037() -> None:
    """RFC 8037 App. A: the key's thumbprint, and Ed25519 under its old name, octet for octet."""
    vectors = load("rfc8037")
    key, payload = Key.from_jwk(vectors["private"]), vectors["payload"].encode()
    assert key.thumbprint() == key.kid == vectors["thumbprint"]
    assert jws.verify(vectors["token"], key.public()).payload == payload
    message = vectors["token"].rpartition(".")[0].encode()
    assert jws.assemble(message, key.sign(message)) == vectors["token"]


def test_rfc7638() -> None:
    """RFC 7638 §3.1: the thumbprint of an RSA key, whatever else its JWK says."""
    vectors = load("rfc7638")
    assert Key.from_jwk(vectors["key"]).thumbprint() == vectors["thumbprint"]
