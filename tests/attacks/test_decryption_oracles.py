"""What an attacker could learn from how a token fails to decrypt (RFC 7516 §11.5, RFC 8725bis §3.4)."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from tests.support.forge import b64, dumps

from gatepass.jose import Key, algorithms, base64url, errors, jwe

PLAINTEXT = b"attack at dawn"
PRIVATE = rsa.generate_private_key(65537, 2048)
NUMBERS = PRIVATE.public_key().public_numbers()
RSA = Key.from_jwk(Key.generate("RSA-OAEP").to_jwk(private=True))


def failure(token: str, key: Key) -> str:
    """Say everything that a caller can see of a failure."""
    with pytest.raises(errors.DecryptionFailedError) as caught:
        jwe.decrypt(token, key)
    error = caught.value
    return f"{type(error)} {error} {error.args} {error.code} {error.__cause__} {error.__suppress_context__}"


def test_the_encrypted_key_of_rsa_tells_nothing() -> None:
    """CVE-2026-28490: bad padding, a key of the wrong length, a wrong key: all fail alike, at the content."""
    header, encrypted, iv, ciphertext, tag = jwe.encrypt(PLAINTEXT, RSA.public()).split(".")
    public = RSA.public()._material
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - what RSA-OAEP is
    assert isinstance(public, rsa.RSAPublicKey)
    keys = [
        secrets.token_bytes(256),
        bytes(256),
        b"",
        b"\0",
        public.encrypt(secrets.token_bytes(32), padding.PKCS1v15()),
        *(public.encrypt(secrets.token_bytes(size), oaep) for size in (0, 1, 16, 31, 32, 33, 64)),
        base64url.decode(encrypted)[:-1],
        base64url.decode(encrypted) + b"\0",
    ]
    seen = {failure(".".join((header, b64(key), iv, ciphertext, tag)), RSA) for key in keys if key}
    assert len(seen) == 1


@pytest.mark.parametrize("enc", algorithms.CONTENTS)
def test_padding_and_tag_fail_alike(enc: str) -> None:
    """Under the right key: a wrong tag, ciphertext, padding or length cannot be told apart."""
    key = Key.generate(enc)
    header, _, iv, ciphertext, tag = jwe.encrypt(PLAINTEXT, key).split(".")
    octets = base64url.decode(ciphertext)
    shapes = [octets[:-1] + bytes([octets[-1] ^ bit]) for bit in (1, 2, 128)] + [
        octets[:-1],
        octets[1:],
        octets + bytes(16),
        octets * 2,
    ]
    seen = {failure(f"{header}..{iv}.{b64(shape)}.{tag}", key) for shape in shapes}
    seen.add(failure(f"{header}..{iv}.{ciphertext}.{b64(bytes(len(base64url.decode(tag))))}", key))
    assert len(seen) == 1


def test_cbc_is_not_decrypted_before_its_tag() -> None:
    """With a good tag over bad padding only the sender's own mistake is seen; without one, padding is not looked at."""
    mode = algorithms.CONTENTS["A128CBC-HS256"].mode
    cek = secrets.token_bytes(32)
    for ciphertext in (b"", b"x" * 15, b"x" * 16, b"x" * 32):
        for tag in (bytes(16), secrets.token_bytes(16)):
            with pytest.raises(errors.DecryptionFailedError):
                mode.open(cek, bytes(16), ciphertext, tag, b"")


@pytest.mark.parametrize("size", [0, 1, 4, 8, 12, 15, 17, 32])
def test_short_and_long_tags(size: int) -> None:
    """A tag of 4 octets would be guessed in minutes: every `enc` has one length, and only that is read."""
    key = Key.generate("A256GCM")
    header, _, iv, ciphertext, tag = jwe.encrypt(PLAINTEXT, key).split(".")
    cut = (base64url.decode(tag) * 2)[:size]
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(f"{header}..{iv}.{ciphertext}.{b64(cut)}", key)


@pytest.mark.parametrize("size", [0, 1, 8, 11, 13, 16, 128])
def test_odd_ivs(size: int) -> None:
    """GCM would take any IV; JOSE has 96 bits, here and in AES-GCM key wrap."""
    key = Key.generate("A256GCM")
    header, _, _, ciphertext, tag = jwe.encrypt(PLAINTEXT, key).split(".")
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(f"{header}..{b64(bytes(size))}.{ciphertext}.{tag}", key)
    wrap = Key.generate("A128GCMKW")
    bad = dumps({"alg": "A128GCMKW", "enc": "A256GCM", "iv": b64(bytes(size)), "tag": b64(bytes(16))})
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(f"{b64(bad)}.AAAA.{b64(bytes(12))}.{ciphertext}.{tag}", wrap)


P256 = Key.generate("ECDH-ES", crv="P-256")


def with_epk(epk: object, key: Key = P256, alg: str = "ECDH-ES") -> str:
    """Write a token with an ephemeral key as it is."""
    header = dumps({"alg": alg, "enc": "A128GCM", "epk": epk})
    return f"{b64(header)}.{'AAAA' if 'KW' in alg else ''}.{b64(bytes(12))}.AAAA.{b64(bytes(16))}"


def test_points_off_the_curve() -> None:
    """RFC 8725bis §3.4: a point of another curve would give the private key away, piece by piece."""
    good = Key.generate("ECDH-ES", crv="P-256").to_jwk()
    epk = {name: good[name] for name in ("kty", "crv", "x", "y")}
    zero, one = b64(bytes(32)), b64(bytes(31) + b"\1")
    seen = {
        failure(with_epk(epk | change), P256)
        for change in (
            {"y": epk["x"]},
            {"x": zero, "y": zero},
            {"x": one, "y": one},
            {"x": b64(b"\xff" * 32), "y": b64(b"\xff" * 32)},
            {"x": b64(bytes(31)), "y": epk["y"]},
            {"x": 5},
            {"crv": "P-384"},
            {"crv": "P-999"},
            {"kty": "OKP", "crv": "X25519"},
            {"kty": "RSA"},
        )
    }
    seen.add(failure(with_epk(epk), P256))
    assert len(seen) == 1


@pytest.mark.parametrize("crv", ["X25519", "X448"])
def test_points_of_small_order(crv: str) -> None:
    """RFC 7748 §6: with them everyone's shared secret is zero."""
    key = Key.generate("ECDH-ES", crv=crv)
    size = 32 if crv == "X25519" else 56
    for point in (bytes(size), b"\1" + bytes(size - 1)):
        epk = {"kty": "OKP", "crv": crv, "x": b64(point)}
        failure(with_epk(epk), key)
        with pytest.raises(errors.WeakKeyError):
            Key.from_jwk(epk, "ECDH-ES")


@pytest.mark.parametrize("epk", [None, 5, "x", [], {}, {"kty": "EC"}, {"kty": "oct", "k": "AAAA"}])
def test_an_epk_that_is_no_key(epk: object) -> None:
    """Absent, of another type, or a key of another kind."""
    for alg in ("ECDH-ES", "ECDH-ES+A128KW"):
        key = Key.from_jwk(P256.to_jwk(private=True) | {"alg": alg})
        with pytest.raises((errors.MalformedError, errors.DecryptionFailedError)):
            jwe.decrypt(with_epk(epk, alg=alg), key)


@pytest.mark.parametrize("alg", ["A256GCM", "ECDH-ES"])
def test_direct_encryption_with_an_encrypted_key(alg: str) -> None:
    """RFC 7516 §5.2 step 10: where no key travels, there is none in the token."""
    key = Key.generate(alg)
    header, _, *rest = jwe.encrypt(PLAINTEXT, key).split(".")
    with pytest.raises(errors.MalformedError):
        jwe.decrypt(".".join((header, "AAAA", *rest)), key)


def test_no_encrypted_key_where_one_travels() -> None:
    """go-jose crashed on an empty encrypted key."""
    for alg in ("A128KW", "A128GCMKW", "RSA-OAEP-256", "ECDH-ES+A128KW"):
        key = Key.generate(alg)
        header, _, *rest = jwe.encrypt(PLAINTEXT, key).split(".")
        with pytest.raises(errors.MalformedError):
            jwe.decrypt(".".join((header, "", *rest)), key)
