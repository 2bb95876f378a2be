"""What people have in place of the PEM document that is meant: each is read as they mean it, or told apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.tls import self_signed

from gatepass.jose import Key, KeySet, errors

if TYPE_CHECKING:
    from collections.abc import Callable

MATERIAL = ec.generate_private_key(ec.SECP256R1())
PRIVATE = MATERIAL.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
OLD = MATERIAL.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
OPENSSH = MATERIAL.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
)
PUBLIC = MATERIAL.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SSH = MATERIAL.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
DER = MATERIAL.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
LOCKED, OLD_LOCKED = (
    MATERIAL.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"right"))
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
)
PARAMETERS = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("private", [PRIVATE, OLD], ids=["PKCS 8", "SEC 1"])
def test_a_private_key_beside_its_public_part(private: bytes, order: int, certificate: bytes) -> None:
    """Whatever stands beside a private key, and in whichever order, it is the private key that is read."""
    for other in (certificate, PUBLIC, PARAMETERS, certificate + certificate):
        assert Key.from_pem(b"".join((private, other)[::order])).is_private
    assert Key.from_pem(LOCKED + certificate, password=b"right").is_private


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate, of whatever key."""
    return Path(self_signed(tmp_path_factory.mktemp("tls"))[0]).read_bytes()


@pytest.mark.parametrize("text", [PRIVATE, PUBLIC, OLD], ids=["PKCS 8", "public", "SEC 1"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b"".join(b"    " + line for line in text.splitlines(keepends=True)),
        lambda text: text.replace(b"\n", b" "),
        lambda text: b"Bag Attributes\n    friendlyName: x\n" + text,
    ],
)
def test_other_ways_to_lay_it_out(text: bytes, written: Callable[[bytes], bytes]) -> None:
    """Line ends of Windows, a byte order mark, indentation, blanks for line ends and notes before it are read."""
    assert Key.from_pem(written(text)).kid == Key.from_pem(PUBLIC).kid


CAUSES: list[tuple[bytes | str, bytes | str | None, str]] = [
    (PRIVATE.replace(b"\n", b"\\n"), None, "replace("),
    (b'"' + PRIVATE.replace(b"\n", b"\\n") + b'"', None, "replace("),
    (LOCKED, "right", "password.encode()"),
    (LOCKED, None, "pass its password="),
    (OLD_LOCKED, None, "pass its password="),
    (LOCKED, b"", "pass its password="),
    (LOCKED, b"wrong", "password is wrong"),
    (OLD_LOCKED, b"wrong", "password is wrong"),
    (PRIVATE, b"right", "leave out password="),
    (OPENSSH, None, "ssh-keygen -p -m PKCS8"),
    (SSH, None, "ssh-keygen -e -m PKCS8"),
    (b"my-shared-secret", None, "Key.from_secret"),
    ("s3cr3t" * 20, None, "Key.from_secret"),
    (b"", None, "begins with -----BEGIN"),
    ("/etc/keys/private.pem", None, "not its name"),
    ('{"kty": "EC"}', None, "Key.from_jwk"),
    (DER, None, "openssl pkey -inform DER"),
    (PRIVATE[:-10], None, "cut off"),
    (PRIVATE[:20], None, "begins with -----BEGIN"),
    (PRIVATE.replace(b"M", b"A", 1), None, "damaged"),
    (PARAMETERS, None, "holds no key, but a EC PARAMETERS"),
    (REQUEST, None, "holds no key, but a CERTIFICATE REQUEST"),
]


@pytest.mark.parametrize("number", range(len(CAUSES)))
def test_each_cause_has_its_sentence(number: int) -> None:
    """A document that cannot be read is told apart by what it is, with what to do, and shows nothing of itself."""
    text, password, cure = CAUSES[number]
    with pytest.raises(errors.InvalidKeyError) as caught:
        Key.from_pem(text, password=password)  # type: ignore[arg-type]
    assert cure in str(caught.value)
    assert "right" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_other_constructors_name_the_right_one() -> None:
    """A PEM document, a set, a single JWK or text handed to the wrong constructor is told which one is right."""
    attempts: list[tuple[Callable[[], object], str]] = [
        (lambda: Key.from_jwk(PRIVATE), "Key.from_pem"),
        (lambda: KeySet.from_jwks(PUBLIC), "Key.from_pem"),
        (lambda: KeySet.from_jwks(Key.generate("ES256").to_jwk()), "Key.from_jwk"),
        (lambda: Key.from_jwk(KeySet([Key.generate("ES256")]).to_jwks()), "KeySet.from_jwks"),
        (lambda: Key.from_secret("text", "HS256"), "text.encode()"),  # type: ignore[arg-type]
    ]
    for attempt, cure in attempts:
        with pytest.raises(errors.InvalidKeyError) as caught:
            attempt()
        assert cure in str(caught.value)


def test_a_crowd_of_beginnings() -> None:
    """Finding the blocks takes time in proportion to the document."""
    for text in (b"-----BEGIN X-----" * 5_000, b"-----BEGIN X-----\n-----END X-----" * 2_500):
        with pytest.raises(errors.InvalidKeyError):
            Key.from_pem(text)
