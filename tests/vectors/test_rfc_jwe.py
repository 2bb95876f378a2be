"""The encryption examples of the RFCs, as they print them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519

from gatepass.jose import Key, KeySet, base64url, errors, jwe, jwk, jwt, wrapping

if TYPE_CHECKING:
    from collections.abc import Callable

    Vectors = Callable[[str], Any]


def recipient(example: dict[str, Any]) -> Key:
    """Make the key of an example."""
    if "password" in example["key"]:
        return Key.from_password(example["key"]["password"], example["alg"])
    return Key.from_jwk(example["key"], None if "alg" in example["key"] else example["alg"])


def test_rfc7516(vectors: Vectors) -> None:
    """RFC 7516 A.1, A.3, A.4 and A.5: compact, general with a recipient whose RSA1_5 we do not have, flattened."""
    data = vectors("rfc7516")
    for example in data["compact"]:
        done = jwe.decrypt(example["token"], Key.from_jwk(example["key"]))
        assert done.plaintext == example["plaintext"].encode(), example["section"]
    for example in data["json"]:
        done = jwe.decrypt_json(example["document"], Key.from_jwk(example["key"]))
        assert done.plaintext == example["plaintext"].encode(), example["section"]
        assert done.unprotected["jku"] == "https://server.example.com/keys.jwks"


@pytest.mark.parametrize("source", ["rfc7516", "rfc7520"])
def test_rsa1_5_is_refused(source: str, vectors: Vectors) -> None:
    """RFC 7516 A.2 and RFC 7520 §5.1 use RSA1_5, which does not exist here: refused before anything is decrypted."""
    for example in vectors(source)["refused"]:
        key = Key.from_jwk(example["key"], "RSA-OAEP")
        with pytest.raises(errors.AlgNotAllowedError):
            jwe.decrypt(example.get("token") or example["compact"], key)
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk({name: value for name, value in example["key"].items() if name != "alg"}, "RSA1_5")


def test_rfc7520_section_5(vectors: Vectors) -> None:
    """RFC 7520 §5.2-5.12: every serialisation of every example."""
    examples = vectors("rfc7520")["jwe"]
    for example in examples:
        key, plaintext = recipient(example), example["plaintext"].encode()
        for form in ("general", "flattened"):
            if form in example:
                assert jwe.decrypt_json(example[form], key).plaintext == plaintext, example["section"]
        if "compact" in example:
            assert jwe.decrypt(example["compact"], key).plaintext == plaintext, example["section"]
    assert [example["section"] for example in examples] == [f"5.{number}" for number in range(2, 13)]


def test_rfc7520_section_5_13(vectors: Vectors) -> None:
    """RFC 7520 §5.13: three recipients; the one with RSA1_5 is refused, the others decrypt."""
    data = vectors("rfc7520")
    example, plaintext = data["recipients"], data["jwe"][0]["plaintext"].encode()
    keys = [Key.from_jwk(jwk) for jwk in example["keys"]]
    for key in keys:
        done = jwe.decrypt_json(example["document"], KeySet([key]))
        assert (done.plaintext, done.key) == (plaintext, key)
        assert done.unprotected["cty"] == "text/plain"
    alone = example["document"] | {"recipients": example["document"]["recipients"][:1]}
    with pytest.raises(errors.AlgNotAllowedError):
        jwe.decrypt_json(alone, KeySet(keys))


def test_rfc7520_section_6(vectors: Vectors) -> None:
    """RFC 7520 §6: signed with PS256, then encrypted; both layers open, and an expired token stays expired."""
    data = vectors("rfc7520")
    recipient_, signer = recipient(data["jwe"][0]), Key.from_jwk(data["nested"]["signer"])
    policy: dict[str, Any] = {"issuer": "hobbiton.example", "audience": None, "typ": "JWT"}
    token = data["nested"]["token"]
    assert jwt.decrypt_and_verify(token, recipient_, signer, now=1300819379, **policy) == data["nested"]["claims"]
    with pytest.raises(errors.ExpiredError):
        jwt.decrypt_and_verify(token, recipient_, signer, **policy)


def test_rfc8037_agreement(vectors: Vectors) -> None:
    """RFC 8037 A.6: Bob's X25519 key and an ephemeral one agree on the secret that the RFC prints."""
    example = vectors("rfc8037")["agreement"]
    private = base64url.encode(bytes.fromhex(example["bob_d_hex"]))
    bob = jwk.read({"kty": "OKP", "crv": "X25519", "x": example["bob_x"], "d": private})
    ephemeral = jwk.read({"kty": "OKP", "crv": "X25519", "x": example["ephemeral_x"]})
    assert isinstance(bob, x25519.X25519PrivateKey)
    assert isinstance(ephemeral, x25519.X25519PublicKey)
    assert wrapping._exchange(bob, ephemeral).hex() == example["shared_hex"]
