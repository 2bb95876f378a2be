"""The token chooses its algorithm, its key or its key's type: CVE-2015-9235 and its many returns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.forge import b64, dumps, hs256

from gatepass.jose import Key, KeySet, errors, jws, jwt

CLAIMS = dumps({"sub": "admin", "exp": 4_000_000_000})
RSA, CURVE, EDWARDS = Key.generate("RS256"), Key.generate("ES256"), Key.generate("Ed25519")
PUBLIC = (RSA.public(), CURVE.public(), EDWARDS.public())


def verified(token: str, keys: Key | KeySet) -> dict[str, Any]:
    """Verify with a policy that any claims satisfy."""
    return jwt.verify(token, keys, issuer=None, audience=None, typ=None)


@pytest.mark.parametrize("key", PUBLIC, ids=lambda key: key.alg)
def test_a_hmac_under_the_public_key(key: Key) -> None:
    """CVE-2015-9235: whatever text of the public key serves as the secret, HS256 is not what the key is for."""
    pem = key.to_pem()
    texts = (
        pem,
        pem.rstrip(),
        pem.replace(b"\n", b"\r\n"),
        dumps(key.to_jwk()),
        dumps({"keys": [key.to_jwk()]}),
        b"",
        bytes(32),
    )
    for text in texts:
        for kid in ({}, {"kid": key.kid}):
            token = hs256(text, dumps({"alg": "HS256"} | kid), CLAIMS)
            for keys in (key, KeySet([key]), KeySet(PUBLIC)):
                with pytest.raises(errors.AlgNotAllowedError):
                    verified(token, keys)


def test_a_jwk_without_alg_does_not_take_the_token_s() -> None:
    """CVE-2026-22817: a key that does not say what it is for is not made, rather than being for anything."""
    silent = {name: value for name, value in RSA.to_jwk().items() if name != "alg"}
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(silent)
    keys = KeySet.from_jwks({"keys": [silent]}, alg="RS256")
    for alg in ("RS384", "RS512", "PS256", "HS256"):
        with pytest.raises(errors.AlgNotAllowedError):
            verified(f"{b64(dumps({'alg': alg, 'kid': RSA.kid}))}.{b64(CLAIMS)}.AAAA", keys)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "RS512"])
def test_one_key_is_for_one_algorithm(alg: str) -> None:
    """CVE-2026-48523: the same RSA key under another name does not verify, although the mathematics would."""
    jwk = RSA.to_jwk(private=True)
    token = jws.sign(CLAIMS, Key.from_jwk(jwk | {"alg": alg}))
    for other in {"RS256", "RS384", "PS256", "PS512", "RS512"} - {alg}:
        with pytest.raises(errors.AlgNotAllowedError):
            verified(token, Key.from_jwk(jwk | {"alg": other}))


def test_kid_leads_to_a_key_of_another_type() -> None:
    """CVE-2021-46743: the kid of an RSA key with the algorithm of another is refused, not tried."""
    keys = KeySet(PUBLIC)
    for named in PUBLIC:
        for alg in {"RS256", "ES256", "Ed25519", "EdDSA", "HS256", "ES384"} - set(named.algs):
            token = f"{b64(dumps({'alg': alg, 'kid': named.kid}))}.{b64(CLAIMS)}.{b64(bytes(64))}"
            with pytest.raises(errors.AlgNotAllowedError):
                verified(token, keys)


@pytest.mark.parametrize("kid", [None, 5, True, ["k"], {"k": 1}, 1.5])
def test_a_kid_that_is_no_string(kid: object) -> None:
    """RFC 8725bis §3.10: `kid` is the attacker's; what is no string reaches no lookup."""
    secret = Key.generate("HS256")
    for keys in (secret, KeySet([secret])):
        with pytest.raises(errors.MalformedError):
            verified(f"{b64(dumps({'alg': 'HS256', 'kid': kid}))}.{b64(CLAIMS)}.{b64(bytes(32))}", keys)


@pytest.mark.parametrize(
    "kid", ["../../dev/null", "' OR 1=1 --", "| cat /etc/passwd", "__class__", "\0", "k" * 10_000, ""]
)
def test_a_kid_that_means_something_elsewhere(kid: str) -> None:
    """A path, SQL, a command: to us it is a key of a dictionary."""
    with pytest.raises(errors.UnknownKeyError):
        verified(f"{b64(dumps({'alg': 'ES256', 'kid': kid}))}.{b64(CLAIMS)}.{b64(bytes(64))}", KeySet(PUBLIC))


@pytest.mark.parametrize(
    ("alg", "crv"),
    [
        ("ES256", "P-384"),
        ("ES384", "P-256"),
        ("ES512", "P-256"),
        ("ES256", "secp256k1"),
        ("ES256K", "P-256"),
        ("Ed25519", "Ed448"),
        ("EdDSA", "X25519"),
    ],
)
def test_the_curve_is_the_algorithm_s(alg: str, crv: str) -> None:
    """A key on another curve is not made for the algorithm."""
    makers = {"P-256": "ES256", "P-384": "ES384", "secp256k1": "ES256K", "Ed448": "Ed448", "X25519": "ECDH-ES"}
    jwk = Key.generate(makers[crv], crv=crv).to_jwk()
    with pytest.raises(errors.InvalidKeyError):
        Key.from_jwk(jwk | {"alg": alg})


def test_a_bare_secret_is_no_key() -> None:
    """No bytes, text, PEM or None is taken for a key; nothing is guessed from the token."""
    token: str = hs256(bytes(32), dumps({"alg": "HS256"}), CLAIMS)
    anything: tuple[Any, ...] = (
        None,
        b"",
        "",
        bytes(32),
        RSA.to_pem(),
        RSA.to_jwk(),
        {"keys": [RSA.to_jwk()]},
        [RSA],
        lambda: bytes(32),
    )
    for keys in anything:
        with pytest.raises(errors.InvalidPolicyError):
            verified(token, keys)


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_keys_that_the_token_brings_along(name: str) -> None:
    """CVE-2026-27962: a token signed by the key in its own header is signed by a stranger."""
    stranger = Key.generate("ES256")
    brought = {
        "jwk": stranger.to_jwk(),
        "jku": "https://evil.example/keys",
        "x5u": "http://127.0.0.1/cert",
        "x5c": ["AAAA"],
    }
    for kid in ({}, {"kid": CURVE.kid}):
        message = f"{b64(dumps({'alg': 'ES256', name: brought[name]} | kid))}.{b64(CLAIMS)}"
        token = f"{message}.{b64(stranger.sign(message.encode()))}"
        with pytest.raises(errors.BadSignatureError):
            verified(token, CURVE)
    message = f"{b64(dumps({'alg': 'ES256', name: brought[name], 'kid': stranger.kid}))}.{b64(CLAIMS)}"
    with pytest.raises(errors.UnknownKeyError):
        verified(f"{message}.{b64(stranger.sign(message.encode()))}", KeySet([CURVE]))


def test_the_algorithm_from_the_unprotected_header() -> None:
    """GHSA-jc38-x7x8-2xc8: what nobody signed cannot choose; next to a protected `alg` it is malformed."""
    message = f"{b64(dumps({'alg': 'ES256'}))}.{b64(CLAIMS)}"
    document = {
        "payload": b64(CLAIMS),
        "protected": b64(dumps({"alg": "ES256"})),
        "signature": b64(CURVE.sign(message.encode())),
    }
    assert jws.verify_json(document, CURVE).payload == CLAIMS
    for alg in ("ES256", "none", "HS256"):
        with pytest.raises(errors.MalformedError):
            jws.verify_json(document | {"header": {"alg": alg}}, CURVE)
    unsigned = {"payload": b64(CLAIMS), "protected": b64(dumps({"typ": "x"})), "signature": document["signature"]}
    with pytest.raises(errors.AlgNotAllowedError):
        jws.verify_json(unsigned | {"header": {"alg": "HS256"}}, CURVE)
