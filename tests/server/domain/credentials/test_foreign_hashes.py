"""Hashes of other systems, made by those systems themselves or published by them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from typing import TYPE_CHECKING

import argon2
import bcrypt
import pytest
from django.contrib.auth import hashers as django
from tests.verify.applications import configure_django
from werkzeug import security as werkzeug

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.hashing import Argon2Cost, PasswordHasher
from gatepass.server.domain.credentials.passwords.spellings import (
    FirebaseProject,
    read_firebase,
    read_hash,
    read_keycloak,
)

if TYPE_CHECKING:
    from collections.abc import Generator

PASSWORD = "fünf Wörter und noch eins"
CHEAP = Argon2Cost(memory_kib=8, passes=1)


@pytest.fixture(scope="module")
def hasher() -> Generator[PasswordHasher]:
    """A cheap hasher."""
    configure_django()
    made = PasswordHasher(CHEAP, threads=1)
    yield made
    made.close()


def is_right(hasher: PasswordHasher, kept: str | None, password: str = PASSWORD) -> bool:
    """Ask."""
    return asyncio.run(hasher.verify(password, kept))


@pytest.mark.parametrize(
    "name",
    [
        "PBKDF2PasswordHasher",
        "PBKDF2SHA1PasswordHasher",
        "ScryptPasswordHasher",
        "BCryptSHA256PasswordHasher",
        "BCryptPasswordHasher",
        "Argon2PasswordHasher",
    ],
)
def test_django(hasher: PasswordHasher, name: str) -> None:
    """Each hasher that Django comes with, MD5 apart, is checked rightly, and is then to be made anew."""
    made = getattr(django, name)()
    kept = read_hash(made.encode(PASSWORD, made.salt()))
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD + "!")
    assert hasher.needs_rehash(kept or "")


@pytest.mark.parametrize("method", ["scrypt", "scrypt:16384:8:2", "pbkdf2", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000"])
def test_werkzeug(hasher: PasswordHasher, method: str) -> None:
    """Flask's usual hashes are checked rightly."""
    kept = read_hash(werkzeug.generate_password_hash(PASSWORD, method))
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD.upper())


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_bcrypt(hasher: PasswordHasher, prefix: bytes) -> None:
    """The three spellings that mean the same; of a long password bcrypt has read 72 bytes, and so do we."""
    long = "x" * 71 + "yz"
    hashed = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4))
    kept = read_hash((b"$" + prefix + hashed[3:]).decode())
    assert is_right(hasher, kept, long)
    assert not is_right(hasher, kept, "x" * 72)


RFC_7914 = (
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
    "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
)


@pytest.mark.parametrize(
    "hashed",
    [
        f"$scrypt$ln=10,r=8,p=16$TmFDbA${base64.b64encode(bytes.fromhex(RFC_7914)).decode()}",  # §12, the second
        "$pbkdf2$4096$c2FsdA$SwB5AbdlSJq.rUnZJvch0GWkKcE",  # RFC 6070 §2, the third
    ],
)
def test_published_vectors(hasher: PasswordHasher, hashed: str) -> None:
    """What the RFCs publish, in the spelling of PHC and of passlib, whose base64 has a dot for the plus."""
    assert is_right(hasher, read_hash(hashed), "password")
    assert not is_right(hasher, read_hash(hashed), "passwords")


def test_firebase(hasher: PasswordHasher) -> None:
    """The example that Google publishes with its scrypt."""
    project = FirebaseProject(
        signer_key="jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        salt_separator="Bw==",
        rounds=8,
        mem_cost=14,
    )
    hashed = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    kept = read_firebase(password_hash=hashed, salt="42xEC+ixf3L2lw==", project=project)
    assert is_right(hasher, kept, "user1password")
    assert not is_right(hasher, kept, "user2password")


@pytest.mark.parametrize(("algorithm", "digest"), [("pbkdf2-sha512", "sha512"), ("pbkdf2", "sha1")])
def test_keycloak(hasher: PasswordHasher, algorithm: str, digest: str) -> None:
    """A credential of a realm's export: salt and hash in base64, 64 bytes long, cost beside them."""
    salt, cost = bytes(range(16)), 27_500
    hashed = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), salt, cost, 64)
    kept = read_keycloak(
        secret_data=json.dumps(
            {
                "value": base64.b64encode(hashed).decode(),
                "salt": base64.b64encode(salt).decode(),
                "additionalParameters": {},
            }
        ),
        credential_data=json.dumps({"hashIterations": cost, "algorithm": algorithm, "additionalParameters": {}}),
    )
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, "another")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "md5$salt$0123456789abcdef",
        "pbkdf2_sha256$999999999$salt$aGFzaA==",
        "pbkdf2_md5$1000$salt$aGFzaA==",
        "pbkdf2_sha256$1000$salt$not base64",
        "$2b$31$" + "." * 53,
        "$2b$04$" + "." * 20,
        "scrypt:1048576:32:1$salt$00",
        "scrypt:1000:8:1$salt$00",
        "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$aGFzaA",
        "$argon2id$v=19$m=65536,t=999,p=1$c2FsdHNhbHQ$aGFzaA",
    ],
)
def test_what_is_no_hash_or_costs_too_much_is_refused(text: str) -> None:
    """Nothing is kept that could not be checked, or would take a core for minutes."""
    with pytest.raises(Refusal) as refused:
        read_hash(text)
    assert refused.value.code == "unknown_password_hash"


def test_keycloak_and_firebase_bound_their_costs_too() -> None:
    """A lie in an export is refused the same way."""
    with pytest.raises(Refusal):
        read_keycloak(
            secret_data='{"value":"AA==","salt":"AA=="}',
            credential_data='{"hashIterations":999999999,"algorithm":"pbkdf2-sha256"}',
        )
    with pytest.raises(Refusal):
        read_keycloak(secret_data="{", credential_data="{}")
    project = FirebaseProject(signer_key="AA==", salt_separator="", rounds=32, mem_cost=20)
    with pytest.raises(Refusal):
        read_firebase(password_hash="AA==", salt="AA==", project=project)


@pytest.mark.parametrize(
    "made",
    [
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ],
)
def test_published_sha_crypt(hasher: PasswordHasher, made: str) -> None:
    """The first examples of SHA-crypt's specification, as Debian's crypt(3) computes them."""
    kept = read_hash(made)
    assert is_right(hasher, kept, "Hello world!")
    assert not is_right(hasher, kept, "Hello world")
    assert not is_right(hasher, kept, "Hello world!\0")


@pytest.mark.parametrize(
    "made",
    [
        "$5$rounds=2000$abc$zDFLyq8/4rpBOAnLV8hRKc/1A8ACsDYi65ss1eS9DY6",
        "$6$rounds=2000$abcdefgh$YQUYs7YiTL7aBmvagYp0L2tiZ3vZH.kExOrIrGAgDGM6JjQDcmURCwqXHjTNOSZzv69WVW0VlB.L7vyyHzQdZ1",
        "$y$j75$abcdefghijklmnop$kKRgpicuHATO1JDnJINKmh/v7.nemGUPbVCQhHQ20eA",
    ],
)
def test_what_the_system_hashes(hasher: PasswordHasher, made: str) -> None:
    """SHA-crypt and yescrypt as perl's `crypt` makes them on Debian, of letters beyond ASCII."""
    kept = read_hash(made)
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD + "!")
    assert hasher.needs_rehash(kept or "")


def test_phpass(hasher: PasswordHasher) -> None:
    """Phpass's own test vector, and one of phpBB, which spells the same with an H."""
    for made in ("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"):
        kept = read_hash(made)
        assert is_right(hasher, kept, "test12345")
        assert not is_right(hasher, kept, "test12346")


def test_asp_net_identity(hasher: PasswordHasher) -> None:
    """Version 3 with each digest, and version 2, put together as ASP.NET Core Identity does."""
    salt = bytes(range(16))
    for number, digest in enumerate(("sha1", "sha256", "sha512")):
        key = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), salt, 1_000, 32)
        raw = b"\x01" + struct.pack(">III", number, 1_000, len(salt)) + salt + key
        assert is_right(hasher, read_hash(base64.b64encode(raw).decode()))
    key = hashlib.pbkdf2_hmac("sha1", PASSWORD.encode(), salt, 1_000, 32)
    kept = read_hash(base64.b64encode(b"\0" + salt + key).decode())
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD + "!")


def test_better_auth(hasher: PasswordHasher) -> None:
    """Scrypt over the letters of the salt."""
    salt = "00112233445566778899aabbccddeeff"
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=16_384, r=16, p=1, maxmem=64 << 20, dklen=64)
    kept = read_hash(f"{salt}:{key.hex()}")
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD + "!")


def test_keycloak_since_25(hasher: PasswordHasher) -> None:
    """Argon2 with its parameters beside it, and PBKDF2 with an empty list of them."""
    salt = base64.b64encode(bytes(range(16))).decode()
    made = argon2.low_level.hash_secret_raw(
        PASSWORD.encode(),
        bytes(range(16)),
        time_cost=2,
        memory_cost=64,
        parallelism=1,
        hash_len=32,
        type=argon2.Type.ID,
    )
    told = {"hashLength": ["32"], "memory": ["64"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}
    secret = {"value": base64.b64encode(made).decode(), "salt": salt, "additionalParameters": {}}
    credential = {"hashIterations": 2, "algorithm": "argon2", "additionalParameters": told}
    kept = read_keycloak(secret_data=json.dumps(secret), credential_data=json.dumps(credential))
    assert is_right(hasher, kept)
    assert not is_right(hasher, kept, PASSWORD + "!")
    key = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), bytes(range(16)), 1_000, 64)
    secret["value"] = base64.b64encode(key).decode()
    credential = {"hashIterations": 1_000, "algorithm": "pbkdf2-sha512", "additionalParameters": {}}
    assert is_right(hasher, read_keycloak(secret_data=json.dumps(secret), credential_data=json.dumps(credential)))


@pytest.mark.parametrize("text", ["!", "!8f3kDjsl2", "*", "!!", "!$6$abc$def"])
def test_no_password_at_all(text: str) -> None:
    """Django and /etc/shadow write so that nothing opens the account: then we keep none."""
    assert read_hash(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "$6$rounds=9000000$saltstring$" + "a" * 86,
        "$y$jFT$abcdefghijklmnop$" + "a" * 43,
        "$P$Z" + "a" * 30,
        "AQAAAAEAACcQAAAA" + "A" * 60,
        "$1$saltstri$YMyguxXMBpd2TEZ.vS/3q1",
    ],
)
def test_costs_without_bound_and_what_is_too_weak(text: str) -> None:
    """Nobody who writes a file to import stops the server with one sign-in."""
    with pytest.raises(Refusal):
        read_hash(text)


_SALT, _HASH = "c2FsdHNhbHRzYWx0", "A" * 43


@pytest.mark.parametrize(
    "text",
    [
        f"pbkdf2_sha256$5000000$salt${'A' * 200_000}",
        f"$pbkdf2-sha256$500000${_SALT}${'A' * 4_000}",
        f"pbkdf2:sha1:2500001$salt${'00' * 21}",
        f"scrypt:32768:32:32$salt${'00' * 64}",
        f"$scrypt$ln=15,r=32,p=32${_SALT}${'A' * 40}",
    ],
)
def test_the_work_of_one_check_is_bounded_as_a_whole(text: str) -> None:
    """Blocks of a long hash, and lanes, multiply the cost that is written down: one sign-in could last for hours."""
    with pytest.raises(Refusal) as refused:
        read_hash(text)
    assert refused.value.code == "unknown_password_hash"


@pytest.mark.parametrize(
    "text",
    [
        f"scrypt:1048576:1:1$salt${'00' * 64}",
        f"$argon2id$v=19$m=0,t=0,p=0${_SALT}${_HASH}",
        f"$argon2id$v=19$m=8,t=1,p=2${_SALT}${_HASH}",
        f"$argon2id$v=7$m=64,t=1,p=1${_SALT}${_HASH}",
        "$argon2id$m=64,t=1,p=1$A$A",
        "$2b$12$" + "a" * 53,
    ],
)
def test_what_no_sign_in_could_check_is_not_taken_over(text: str) -> None:
    """A hash that its library cannot read would be an internal error at each sign-in; the import says so instead."""
    with pytest.raises(Refusal) as refused:
        read_hash(text)
    assert refused.value.code == "unknown_password_hash"
