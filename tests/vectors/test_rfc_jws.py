"""The signature examples of the RFCs, as they print them."""

# ruff: noqa: ANN401 - each file of examples has its own shape

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gatepass.jose import Key, KeySet, base64url, errors, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    Vectors = Callable[[str], Any]


def test_rfc7515_compact(vectors: Vectors) -> None:
    """RFC 7515 A.1-A.4: each token verifies, and signing the same again gives one that does."""
    examples = vectors("rfc7515")["compact"]
    assert [example["section"] for example in examples] == ["A.1", "A.2", "A.3", "A.4"]
    for example in examples:
        key, payload = Key.from_jwk(example["key"]), example["payload"].encode()
        assert jws.verify(example["token"], key).payload == payload
        message = example["token"].rpartition(".")[0].encode()
        assert jws.verify(jws.assemble(message, key.sign(message)), key).payload == payload
        if key.alg in ("HS256", "RS256"):
            assert jws.assemble(message, key.sign(message)) == example["token"]


def test_rfc7515_json(vectors: Vectors) -> None:
    """RFC 7515 A.6 and A.7: general and flattened; each signature verifies with its own key."""
    data = vectors("rfc7515")
    keys = {example["section"]: Key.from_jwk(example["key"]) for example in data["compact"]}
    for example in data["json"]:
        for section in example["keys"]:
            done = jws.verify_json(example["document"], keys[section])
            assert done.payload == data["compact"][0]["payload"].encode()


@pytest.mark.parametrize("source", ["rfc7515", "rfc7519"])
def test_what_is_refused(source: str, vectors: Vectors) -> None:
    """Unsecured tokens, RSA1_5 and an extension that nobody has: examples of what is refused here."""
    key = Key.from_jwk(vectors("rfc7515")["compact"][0]["key"])
    for example in vectors(source)["refused"]:
        with pytest.raises(errors.JoseError) as caught:
            (jws.verify if example["token"].count(".") == 2 else _decrypt)(example["token"], key)
        assert caught.value.code == example["code"], example["section"]


def _decrypt(token: str, key: Key) -> Any:
    return jwt.decrypt_and_verify(token, key, key, issuer=None, audience=None, typ=None)


def test_rfc7519(vectors: Vectors) -> None:
    """RFC 7519 §3.1: the claims of the first example, which has no typ that we would take without saying so."""
    data = vectors("rfc7519")
    key = Key.from_jwk(data["signed"]["key"])
    token = data["signed"]["token"]
    assert jwt.verify(token, key, issuer="joe", audience=None, typ="JWT", now=1300819379) == data["claims"]
    with pytest.raises(errors.ExpiredError):
        jwt.verify(token, key, issuer="joe", audience=None, typ="JWT", now=1300819380)


def test_rfc7520_section_4(vectors: Vectors) -> None:
    """RFC 7520 §4.1-4.7: every serialisation of every example, verified; and signed again where that is possible."""
    data = vectors("rfc7520")
    payload = data["payload"].encode()
    for example in data["jws"]:
        key = Key.from_jwk(data["keys"][example["key"]], example["alg"])
        assert jws.verify_json(example["general"], key).payload == payload, example["section"]
        assert jws.verify_json(example["flattened"], key).payload == payload, example["section"]
        if "compact" in example:
            assert jws.verify(example["compact"], KeySet([key])).payload == payload, example["section"]
        if example["alg"] in ("RS256", "HS256") and "compact" in example:
            assert jws.sign(payload, key) == example["compact"]
    assert len(data["jws"]) == 6


def test_rfc7520_section_4_5(vectors: Vectors) -> None:
    """RFC 7520 §4.5: the content travels elsewhere."""
    data = vectors("rfc7520")
    example, payload = data["detached"], data["payload"].encode()
    key = Key.from_jwk(data["keys"][example["key"]], example["alg"])
    assert jws.verify_detached(example["compact"], payload, key).payload == payload
    assert jws.verify_json(example["flattened"], key, payload).payload == payload
    assert jws.sign_detached(payload, key) == example["compact"]


def test_rfc7520_section_4_8(vectors: Vectors) -> None:
    """RFC 7520 §4.8: three signatures, of which two keys share a kid, all verified at once."""
    data = vectors("rfc7520")
    keys = KeySet(
        Key.from_jwk(data["keys"][name], alg) for name, alg in (("rsa", "RS256"), ("ec", "ES512"), ("mac", "HS256"))
    )
    assert jws.verify_json(data["several"]["document"], keys, every=True).payload == data["payload"].encode()


def test_rfc7797(vectors: Vectors) -> None:
    """RFC 7797 §4: the same content encoded, and unencoded in two serialisations; ours are the same octets."""
    data = vectors("rfc7797")
    key, payload = Key.from_jwk(data["key"]), data["payload"].encode()
    assert jws.sign(payload, key) == data["encoded"]
    assert jws.sign_detached(payload, key, b64=False) == data["detached"]
    assert jws.sign_json(payload, key, b64=False) == data["flattened"]
    assert jws.verify(data["encoded"], key).payload == payload
    assert jws.verify_detached(data["detached"], payload, key).payload == payload
    assert jws.verify_json(data["flattened"], key).payload == payload


def test_rfc8037(vectors: Vectors) -> None:
    """RFC 8037 App. A: the key's thumbprint, and Ed25519 under its old name, octet for octet."""
    data = vectors("rfc8037")
    key, payload = Key.from_jwk(data["private"]), data["payload"].encode()
    assert key.thumbprint() == key.kid == data["thumbprint"]
    assert jws.verify(data["token"], key.public()).payload == payload
    message = data["token"].rpartition(".")[0].encode()
    assert jws.assemble(message, key.sign(message)) == data["token"]


def test_rfc9964(vectors: Vectors) -> None:
    """RFC 9964 App. A: keys of a known seed, their thumbprints, and a token by each parameter set."""
    data = vectors("rfc9964")
    for example in data["vectors"]:
        jwk = {"kty": "AKP", "alg": example["alg"], "pub": example["pub"]}
        private = Key.from_jwk(jwk | {"priv": data["seed"]})
        assert private.to_jwk(private=True) == jwk | {"priv": data["seed"], "kid": example["kid"]}
        assert jws.verify(example["token"], Key.from_jwk(jwk)).payload == data["payload"].encode()
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk(jwk | {"priv": base64url.encode(b"\1" * 32)})
    assert [example["alg"] for example in data["vectors"]] == ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
