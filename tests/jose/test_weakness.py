"""Keys that are refused when they are made."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatepass.jose import Key, base64url, errors, weakness

# Every y of a point whose eightfold is the neutral point, reduced and not, with either sign of x.
SMALL_ORDER_25519 = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("point", SMALL_ORDER_25519)
def test_ed25519_points_of_small_order(point: str) -> None:
    """Under such a key one signature fits every message."""
    with pytest.raises(errors.WeakKeyError):
        Key.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(bytes.fromhex(point))})


@pytest.mark.parametrize("y", [0, 1, -1])
def test_ed448_points_of_small_order(y: int) -> None:
    """The curve has four of them: (0, 1), (0, -1) and (±1, 0)."""
    octets = (y % weakness._P448).to_bytes(57, "little")
    with pytest.raises(errors.WeakKeyError):
        Key.from_jwk({"kty": "OKP", "crv": "Ed448", "x": base64url.encode(octets)})


def test_edwards_octets_that_are_no_point() -> None:
    """About half of all octets are no point of the curve; each is refused, and every real key is accepted."""
    refused = 0
    for number in range(2, 40):
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(number.to_bytes(32, "little"))}
        try:
            Key.from_jwk(jwk)
        except errors.WeakKeyError:
            refused += 1
    assert 8 < refused < 30
    for _ in range(20):
        assert Key.generate("Ed25519").public().alg == "Ed25519"
        assert Key.generate("Ed448").public().alg == "Ed448"


def rsa_jwk(modulus: int, exponent: int = 65537) -> dict[str, Any]:
    """Write an RSA public key as it is."""
    octets = [value.to_bytes((value.bit_length() + 7) // 8, "big") for value in (modulus, exponent)]
    return {"kty": "RSA", "alg": "RS256", "n": base64url.encode(octets[0]), "e": base64url.encode(octets[1])}


MODULUS = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n


@pytest.mark.parametrize("exponent", [1, 2, 4, 65536, 2**32 + 1, 2**2000 + 1])
def test_rsa_exponents(exponent: int) -> None:
    """1 does not encrypt, even ones do not invert, and huge ones only cost time."""
    with pytest.raises(errors.WeakKeyError):
        Key.from_jwk(rsa_jwk(MODULUS, exponent))


@pytest.mark.parametrize("bits", [512, 1024, 2047, 8193, 16384])
def test_rsa_moduli_out_of_bounds(bits: int) -> None:
    """RFC 7518 §3.3: 2048 bits or more; and no more than 8192, since verifying must stay cheap."""
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(rsa_jwk((1 << (bits - 1)) | 1))
    with pytest.raises(errors.WeakKeyError):
        Key.generate("RS256", bits=bits)


@pytest.mark.parametrize("bits", [1024])
def test_short_rsa_keys_as_pem(bits: int) -> None:
    """A PEM file is no way around."""
    private = rsa.generate_private_key(65537, bits)
    pem = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(errors.WeakKeyError):
        Key.from_pem(pem, "RS256")


def test_an_even_modulus() -> None:
    """It has the factor 2, which everyone knows."""
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(rsa_jwk(MODULUS - 1))


def test_roca_moduli() -> None:
    """CVE-2017-15361: the product of two numbers k·M + 65537^a mod M has the fingerprint; ours has not."""
    product = 2 * 3 * 5 * 7
    for prime in weakness._ROCA_PRIMES:
        product *= prime
    p = product * (1 << 930) + pow(65537, 123, product)
    q = product * (1 << 950) + pow(65537, 456, product)
    modulus = p * q
    assert weakness.MIN_RSA_BITS <= modulus.bit_length() <= weakness.MAX_RSA_BITS
    with pytest.raises(errors.WeakKeyError):
        Key.from_jwk(rsa_jwk(modulus))
    assert not weakness._is_roca(MODULUS)


def test_a_roca_modulus_from_a_smart_card() -> None:
    """The key of Wycheproof's rejectsKeyWithRocaVulnerability."""
    modulus = (
        "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW"
        "79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnX"
        "EaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROB"
        "R4Ubg6Bxg9IQVZ-QYyE"
    )
    with pytest.raises(errors.WeakKeyError):
        Key.from_jwk({"kty": "RSA", "alg": "RS256", "n": modulus, "e": "AQAB"})


@pytest.mark.parametrize("alg", ["RS256", "ES256", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44"])
def test_a_private_part_of_another_key(alg: str) -> None:
    """A JWK whose private part belongs to another public part is refused: signing with it gives the key away."""
    one, other = (Key.generate(alg).to_jwk(private=True) for _ in range(2))
    public = {"n", "e", "x", "y", "pub"}
    mixed = {name: (other if name in public else one)[name] for name in one}
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(mixed)


def test_points_off_the_curve() -> None:
    """An EC point must satisfy its curve's equation (RFC 8725bis §3.4)."""
    jwk = Key.generate("ES256").to_jwk()
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(jwk | {"y": jwk["x"]})
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(jwk | {"x": "A" * 43, "y": "A" * 43})


def spellings() -> dict[str, bytes]:
    """Write public keys in every shape in which one has been taken for an HMAC secret."""
    shapes: dict[str, bytes] = {}
    for name, private in (
        ("rsa", rsa.generate_private_key(65537, 2048)),
        ("ec", ec.generate_private_key(ec.SECP256R1())),
        ("p384", ec.generate_private_key(ec.SECP384R1())),
        ("ed", ed25519.Ed25519PrivateKey.generate()),
    ):
        public = private.public_key()
        encoding, form = serialization.Encoding, serialization.PublicFormat
        pem = public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo)
        shapes |= {
            f"{name} pem": pem,
            f"{name} pem without newline": pem.rstrip(),
            f"{name} der": public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo),
            f"{name} ssh": public.public_bytes(encoding.OpenSSH, form.OpenSSH),
            f"{name} crlf": pem.replace(b"\n", b"\r\n"),
            f"{name} blanks before": b"\n\t \r\n" + pem,
            f"{name} bom": b"\xef\xbb\xbf" + pem,
            f"{name} utf-16": pem.decode().encode("utf-16"),
            f"{name} utf-16-be": pem.decode().encode("utf-16-be"),
            f"{name} base64": b"".join(pem.splitlines()[1:-1]),
            f"{name} base64 in lines": b"\n".join(pem.splitlines()[1:-1]),
            f"{name} text before": b"Bag Attributes\n  friendlyName: x\n" + pem,
        }
    shapes["pkcs1 der"] = (
        rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    )
    shapes["point"] = (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )
    jwk = b'{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}'
    shapes |= {
        "jwk": jwk,
        "jwk with blanks": b"  \n" + jwk,
        "jwks": b'{"keys":[' + jwk + b"]}",
        "array": b"[" + jwk + b"]",
    }
    return shapes


SPELLINGS = spellings()


@pytest.mark.parametrize("shape", SPELLINGS)
def test_no_public_key_is_a_secret(shape: str) -> None:
    """Anything that reads like a key or a document of one is refused as a secret, in every shape (CVE-2015-9235)."""
    secret = SPELLINGS[shape]
    for alg in ("HS256", "HS384", "HS512"):
        with pytest.raises(errors.InvalidKeyError) as caught:
            Key.from_secret(secret, alg)
        assert secret not in str(caught.value).encode()
        with pytest.raises(errors.InvalidKeyError):
            Key.from_jwk({"kty": "oct", "k": base64url.encode(secret), "alg": alg})


@pytest.mark.parametrize("start", [b"{", b"[", b"\x30\x1e", b"\x30\x82", b"\x04", b"M", b"MII", b"\0{", b"---", b"ssh"])
def test_random_secrets_are_never_taken_for_documents(start: bytes) -> None:
    """A random secret may start like anything: only what reads as a document to its end is refused."""
    for number in range(50):
        secret = start + (100 + number).to_bytes(1) + secrets.token_bytes(64 - len(start))
        assert Key.from_secret(secret, "HS512").alg == "HS512"
    assert Key.from_secret((start + bytes(range(128, 192)))[:65], "HS256").alg == "HS256"


def test_other_documents_as_secrets() -> None:
    """An encrypted private key in DER and JSON that nests a thousand deep read as documents, too."""
    private = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"password")
    der = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, encryption)
    for secret in (der, b"[" * 5000):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_secret(secret, "HS256")
