"""The key examples of the RFCs, as they print them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatepass.jose import Key, KeySet, jwe, jws

if TYPE_CHECKING:
    from collections.abc import Callable

    Vectors = Callable[[str], Any]


def test_rfc7517_public_and_private(vectors: Vectors) -> None:
    """RFC 7517 A.1 and A.2: an EC key for encryption and an RSA key, and their private parts with the same kids."""
    data = vectors("rfc7517")
    public, private = (
        KeySet.from_jwks({"keys": data[part]["keys"]}, alg="ECDH-ES+A128KW") for part in ("public", "private")
    )
    assert [(key.kid, key.alg) for key in public] == [("1", "ECDH-ES+A128KW"), ("2011-04-29", "RS256")]
    assert [key.thumbprint() for key in private] == [key.thumbprint() for key in public]
    assert [key.public().to_jwk() for key in private] == [key.to_jwk() for key in public]
    assert (private.skipped, public.skipped) == (0, 0)


def test_rfc7517_symmetric(vectors: Vectors) -> None:
    """RFC 7517 A.3: a key for AES key wrap that names its algorithm, and one that does not and is for HMAC."""
    keys = KeySet.from_jwks(vectors("rfc7517")["symmetric"], alg="HS256")
    assert [(key.alg, key.kid) for key in keys] == [("A128KW", None), ("HS256", "HMAC key used in JWS A.1 example")]


def test_rfc7517_certificate(vectors: Vectors) -> None:
    """RFC 7517 App. B: `x5c` is carried; the key is the JWK's own."""
    jwk = vectors("rfc7517")["certificate"]
    key = Key.from_jwk(jwk, "RS256")
    assert key.to_jwk()["x5c"] == jwk["x5c"]
    assert key.to_jwk()["n"] == jwk["n"]


def test_rfc7517_private_rsa(vectors: Vectors) -> None:
    """RFC 7517 C.1: an RSA key with every member comes back as it was."""
    jwk = vectors("rfc7517")["rsa"]
    assert Key.from_jwk(jwk, "RSA-OAEP").to_jwk(private=True) == jwk | {"alg": "RSA-OAEP"}


def test_rfc7517_encrypted_key(vectors: Vectors) -> None:
    """RFC 7517 App. C: the private key travels under a password, and is the key of C.1."""
    data = vectors("rfc7517")
    password = Key.from_password(data["encrypted"]["password"], "PBES2-HS256+A128KW")
    done = jwe.decrypt(data["encrypted"]["token"], password)
    assert done.headers["cty"] == "jwk+json"
    assert Key.from_jwk(done.plaintext, "RSA-OAEP").to_jwk(private=True) == data["rsa"] | {"alg": "RSA-OAEP"}


def test_rfc7520_keys(vectors: Vectors) -> None:
    """RFC 7520 §3: each key comes back as it was."""
    for name, alg in (("ec", "ES512"), ("rsa", "PS256"), ("mac", "HS256"), ("aes", "A256GCM")):
        jwk = vectors("rfc7520")["keys"][name]
        key = Key.from_jwk(jwk, alg)
        assert key.to_jwk(private=True) == jwk | {"alg": alg}
        if key.use == "sig":
            assert jws.verify(jws.sign(b"x", key), key).payload == b"x"


def test_rfc7638_and_rfc9278(vectors: Vectors) -> None:
    """RFC 7638 §3.1: the thumbprint of an RSA key, whatever else its JWK says; and its URI."""
    data = vectors("rfc7638")
    key = Key.from_jwk(data["key"])
    assert key.thumbprint() == data["thumbprint"]
    assert key.thumbprint_uri() == f"urn:ietf:params:oauth:jwk-thumbprint:sha-256:{data['thumbprint']}"
