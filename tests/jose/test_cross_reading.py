"""What we write, joserfc and jwcrypto read, and the other way round: every algorithm, every serialisation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import joserfc.jwe
import joserfc.jwk
import joserfc.jws
import jwcrypto.jwe  # type: ignore[import-untyped]
import jwcrypto.jwk  # type: ignore[import-untyped]
import jwcrypto.jws  # type: ignore[import-untyped]
import pytest
from joserfc.jwe import FlattenedJSONEncryption, GeneralJSONEncryption, JWERegistry
from joserfc.jws import JWSRegistry

from gatepass.jose import Key, algorithms, jwe, jws

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")

PAYLOAD = b"Out of the strong came forth sweetness.\x00\xff"
SIGNATURES = tuple(algorithms.SIGNATURES)
CONTENTS = tuple(algorithms.CONTENTS)
RSA = Key.generate("RS256").to_jwk(private=True)
OLD = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}


def signer(alg: str) -> Key:
    """Make a key for signatures."""
    return Key.from_jwk(RSA | {"alg": alg}) if alg[:2] in ("RS", "PS") else Key.generate(alg)


def recipients() -> dict[str, Key]:
    """Make a key for every algorithm of encryption, and for ECDH on every curve."""
    keys: dict[str, Key] = {}
    for name, row in algorithms.KEY_MANAGEMENT.items():
        if row.is_password:
            continue
        for kty, crv in row.kinds:
            made = Key.from_jwk(RSA | {"alg": name}) if kty == "RSA" else Key.generate(name, crv=crv)
            keys[f"{name} {crv or ''}".strip()] = made
    return keys


SIGNERS = {alg: signer(alg) for alg in SIGNATURES}
RECIPIENTS = recipients()
UNKNOWN_TO_JOSERFC = ("ML-DSA-44", "ML-DSA-65", "ML-DSA-87")
# joserfc and jwcrypto know RSA-OAEP with SHA-1 and SHA-256 only.
UNKNOWN = ("RSA-OAEP-384", "RSA-OAEP-512")


def plain(key: Key) -> dict[str, Any]:
    """Write a private JWK with nothing that binds, since others name some things otherwise."""
    members = key.to_jwk(private=True)
    return members if members["kty"] == "AKP" else {name: members[name] for name in members if name != "alg"}


# ── signatures ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", [alg for alg in SIGNATURES if alg not in UNKNOWN_TO_JOSERFC])
def test_joserfc_and_we_read_each_other_s_signatures(alg: str) -> None:
    """Compact, flattened and general, under the new name of EdDSA and under the old."""
    key = SIGNERS[alg]
    other = joserfc.jwk.import_key(plain(key))
    for name in {alg, OLD.get(alg, alg)}:
        registry = JWSRegistry(algorithms=[name])
        ours = jws.sign(PAYLOAD, key, {"alg": name})
        assert joserfc.jws.deserialize_compact(ours, other, registry=registry).payload == PAYLOAD
        theirs = joserfc.jws.serialize_compact({"alg": name}, PAYLOAD, other, registry=registry)
        assert jws.verify(theirs, key).payload == PAYLOAD
        members: tuple[Any, ...] = (
            {"protected": {"alg": name}},
            [{"protected": {"alg": name}, "header": {"cty": "x"}}],
        )
        for member in members:
            document = joserfc.jws.serialize_json(member, PAYLOAD, other, registry=registry)
            assert jws.verify_json(json.dumps(document), key).payload == PAYLOAD
        written: tuple[Any, ...] = (
            jws.sign_json(PAYLOAD, key, {"alg": name}),
            jws.sign_json(PAYLOAD, [key], {"alg": name}),
        )
        for ours_ in written:
            assert joserfc.jws.deserialize_json(ours_, other, registry=registry).payload == PAYLOAD


@pytest.mark.parametrize("alg", SIGNATURES)
def test_jwcrypto_and_we_read_each_other_s_signatures(alg: str) -> None:
    """Compact, flattened and detached."""
    key = SIGNERS[alg]
    other = jwcrypto.jwk.JWK(**plain(key))
    allowed = [alg, OLD.get(alg, alg)]
    for name in set(allowed):
        token = jwcrypto.jws.JWS(PAYLOAD)
        token.allowed_algs = allowed
        token.add_signature(other, None, json.dumps({"alg": name}), None)
        assert jws.verify(token.serialize(compact=True), key).payload == PAYLOAD
        assert jws.verify_json(token.serialize(), key).payload == PAYLOAD
        for ours in (jws.sign(PAYLOAD, key, {"alg": name}), json.dumps(jws.sign_json(PAYLOAD, key, {"alg": name}))):
            read = jwcrypto.jws.JWS()
            read.allowed_algs = allowed
            read.deserialize(ours, other)
            assert read.payload == PAYLOAD
        detached = jwcrypto.jws.JWS()
        detached.allowed_algs = allowed
        detached.deserialize(jws.sign_detached(PAYLOAD, key, {"alg": name}))
        detached.verify(other, detached_payload=PAYLOAD)


# ── encryption ──────────────────────────────────────────────────────────────────────────────────────────────────────


def header_of(key: Key, enc: str) -> dict[str, Any]:
    """Say what another library must do for a key."""
    return {"alg": key.algs[0], "enc": enc}


@pytest.mark.parametrize("name", [name for name in RECIPIENTS if name not in UNKNOWN])
def test_joserfc_and_we_read_each_other_s_encryption(name: str) -> None:
    """Compact, flattened with AAD, and general, with every content encryption."""
    key = RECIPIENTS[name]
    other: Any = joserfc.jwk.import_key(plain(key))
    for enc in (key.alg,) if key.alg in CONTENTS else CONTENTS:
        registry = JWERegistry(algorithms=[key.algs[0], enc, "DEF"])
        for extra in ({}, {"zip": "DEF"}):
            ours = jwe.encrypt(PAYLOAD, key, enc, extra)
            assert joserfc.jwe.decrypt_compact(ours, other, registry=registry).plaintext == PAYLOAD
            theirs = joserfc.jwe.encrypt_compact(header_of(key, enc) | extra, PAYLOAD, other, registry=registry)
            assert jwe.decrypt(theirs, key).plaintext == PAYLOAD
        kinds: tuple[Callable[..., Any], ...] = (FlattenedJSONEncryption, GeneralJSONEncryption)
        for kind in kinds:
            message = kind({"enc": enc}, PAYLOAD, {"cty": "z"}, b"seen")
            message.add_recipient({"alg": key.algs[0]}, other)
            document: Any = joserfc.jwe.encrypt_json(message, None, registry=registry)
            assert jwe.decrypt_json(json.dumps(document), key).aad == b"seen"
        for document in (jwe.encrypt_json(PAYLOAD, key, enc, aad=b"seen"), jwe.encrypt_json(PAYLOAD, [key], enc)):
            assert joserfc.jwe.decrypt_json(document, other, registry=registry).plaintext == PAYLOAD


@pytest.mark.parametrize("name", [name for name in RECIPIENTS if name not in UNKNOWN])
def test_jwcrypto_and_we_read_each_other_s_encryption(name: str) -> None:
    """Compact, flattened with AAD, and with party info, with every content encryption."""
    key = RECIPIENTS[name]
    other = jwcrypto.jwk.JWK(**plain(key))
    for enc in (key.alg,) if key.alg in CONTENTS else CONTENTS:
        allowed = [key.algs[0], enc]
        message = jwcrypto.jwe.JWE(PAYLOAD, json.dumps(header_of(key, enc)), algs=allowed)
        message.add_recipient(other)
        assert jwe.decrypt(message.serialize(compact=True), key).plaintext == PAYLOAD
        message = jwcrypto.jwe.JWE(PAYLOAD, json.dumps({"enc": enc}), algs=allowed, aad=b"seen")
        message.add_recipient(other, json.dumps({"alg": key.algs[0]}))
        assert jwe.decrypt_json(message.serialize(), key).plaintext == PAYLOAD
        party = {"apu": "QWxpY2U", "apv": "Qm9i"} if key.alg.startswith("ECDH") else {}
        for ours in (jwe.encrypt(PAYLOAD, key, enc, party), json.dumps(jwe.encrypt_json(PAYLOAD, key, enc, aad=b"x"))):
            read = jwcrypto.jwe.JWE(algs=allowed)
            read.deserialize(ours, other)
            assert read.payload == PAYLOAD


@pytest.mark.parametrize("name", [name for name, row in algorithms.KEY_MANAGEMENT.items() if row.is_password])
def test_passwords(name: str) -> None:
    """PBES2, both ways, with jwcrypto, which takes its password as a symmetric key."""
    key = Key.from_password("correct horse battery", name, iterations=1000)
    other = jwcrypto.jwk.JWK.from_password("correct horse battery")
    allowed = [name, "A128GCM"]
    message = jwcrypto.jwe.JWE(PAYLOAD, json.dumps({"alg": name, "enc": "A128GCM"}), algs=allowed)
    message.add_recipient(other)
    assert jwe.decrypt(message.serialize(compact=True), key).plaintext == PAYLOAD
    read = jwcrypto.jwe.JWE(algs=allowed)
    read.deserialize(jwe.encrypt(PAYLOAD, key, "A128GCM"), other)
    assert read.payload == PAYLOAD


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*SIGNERS, *RECIPIENTS])
def test_thumbprints_and_members_are_the_same(name: str) -> None:
    """RFC 7638: jwcrypto and joserfc find the same thumbprint; and their JWKs and PEMs are ours."""
    key = (SIGNERS | RECIPIENTS)[name]
    other = jwcrypto.jwk.JWK(**plain(key))
    assert other.thumbprint() == key.thumbprint()
    if name not in UNKNOWN_TO_JOSERFC:
        assert joserfc.jwk.import_key(plain(key)).thumbprint() == key.thumbprint()
    if not key.is_secret:
        pem = other.export_to_pem(private_key=True, password=None)
        assert Key.from_pem(pem, key.alg).to_jwk(private=True) == key.to_jwk(private=True) | {"kid": key.thumbprint()}
        assert Key.from_pem(other.export_to_pem(), key.alg).thumbprint() == key.thumbprint()
