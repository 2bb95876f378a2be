"""ECDSA signatures that need no random number (RFC 6979), since a bad one gives the private key away."""

from __future__ import annotations

import base64

import pytest

from gatepass.jose import Key

# RFC 6979 A.2.5, P-256: the key, and the signature of "sample" with SHA-256.
KEY = {
    "d": "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
    "x": "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
    "y": "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
}
SIGNATURE = (
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)


def base64url(digits: str) -> str:
    """Write hexadecimal digits as a JWK does."""
    return base64.urlsafe_b64encode(bytes.fromhex(digits)).rstrip(b"=").decode()


def test_the_example_of_the_rfc() -> None:
    """RFC 6979 A.2.5: the same key and message give exactly this signature."""
    members = {name: base64url(digits) for name, digits in KEY.items()}
    key = Key.from_jwk({"kty": "EC", "crv": "P-256", **members})
    assert key.sign(b"sample").hex().upper() == SIGNATURE


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "ES256K"])
def test_signing_twice_gives_one_signature(alg: str) -> None:
    """RFC 8725bis §3.2: nothing random goes into a signature, on any curve."""
    key = Key.generate(alg)
    assert key.sign(b"message") == key.sign(b"message")
