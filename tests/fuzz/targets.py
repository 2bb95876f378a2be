"""What is fuzzed: each target takes any octets, and raises unless the library keeps its word.

The word: for any input there is a JoseError or an answer, nothing else; and an answer is what was signed, encrypted or
read. Half of the octets of a target are signed or encrypted properly first, so that a fuzzer gets past the signature.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from typing import TYPE_CHECKING

from gatepass.jose import JoseError, Key, KeySet, algorithms, jwe, jws, jwt

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = bytes(range(32))
MAC = Key.from_secret(SECRET, "HS256", kid="mac")
CURVE = Key.from_jwk(
    {
        "kty": "EC",
        "crv": "P-256",
        "kid": "curve",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    }
)
VERIFIERS = (MAC, KeySet([MAC, CURVE.public()]))
DIRECT = Key.from_secret(SECRET, "A256GCM", kid="direct")
WRAP = Key.from_secret(SECRET, "A256KW", kid="wrap")
GCM_WRAP = Key.from_secret(SECRET, "A256GCMKW", kid="gcm")
AGREE = Key.from_jwk(CURVE.to_jwk(private=True) | {"alg": "ECDH-ES", "kid": "agree"})
AGREE_WRAP = Key.from_jwk(CURVE.to_jwk(private=True) | {"alg": "ECDH-ES+A128KW", "kid": "agree-wrap"})
PASSWORD = Key.from_password("correct horse", "PBES2-HS256+A128KW", iterations=1000, max_iterations=2000)
RECIPIENTS = KeySet([DIRECT, WRAP, GCM_WRAP, AGREE, AGREE_WRAP, PASSWORD])
MODE = algorithms.CONTENTS["A256GCM"].mode


def b64(octets: bytes) -> str:
    """Encode with Python's own module."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unb64(text: bytes) -> bytes:
    """Decode with Python's own module."""
    return base64.urlsafe_b64decode(text + b"==")


def signed(message: bytes) -> bytes:
    """Add the right MAC to a message."""
    return message + b"." + b64(hmac.new(SECRET, message, hashlib.sha256).digest()).encode()


def fuzz_jws(data: bytes) -> None:
    """Compact, detached and JSON, raw and with a good MAC over any header and payload."""
    header, _, payload = data.partition(b"\n")
    message = f"{b64(header)}.".encode()
    tokens = (data, signed(data), signed(message + b64(payload).encode()), signed(message + payload))
    for keys in VERIFIERS:
        for token in tokens:
            with contextlib.suppress(JoseError):
                done = jws.verify(token, keys)
                assert done.headers["alg"] in done.key.algs
                assert signed(token.rpartition(b".")[0]) == token or done.key is not MAC
            with contextlib.suppress(JoseError):
                jws.verify_detached(token, payload, keys)
        with contextlib.suppress(JoseError):
            jws.verify_json(data, keys)
        with contextlib.suppress(JoseError):
            jws.verify_json(data, keys, payload)
        mac = signed(message + b64(payload).encode()).rpartition(b".")[2].decode()
        flattened = {"protected": b64(header), "payload": b64(payload), "signature": mac}
        with contextlib.suppress(JoseError):
            done = jws.verify_json(json.dumps(flattened), keys)
            assert done.payload == (payload if done.headers.get("b64", True) else b64(payload).encode())
    with contextlib.suppress(JoseError):
        assert jws.verify(jws.sign(data, MAC), MAC).payload == data
        assert jws.verify(jws.sign(data, MAC, b64=False), MAC).payload == data


def fuzz_jwt(data: bytes) -> None:
    """Any claims with a good MAC, and any claims that were written by us."""
    header = b64(b'{"alg":"HS256","typ":"JWT"}').encode()
    for token in (data, signed(header + b"." + b64(data).encode()), signed(data)):
        with contextlib.suppress(JoseError):
            jwt.peek(token)
        for keys in VERIFIERS:
            with contextlib.suppress(JoseError):
                claims = jwt.verify(token, keys, issuer=None, audience=None, typ=None, required=(), now=1_000)
                assert claims == json.loads(unb64(token.split(b".")[1]))
                assert claims.get("exp", 1_001) > 1_000
                again = jwt.verify(
                    jwt.sign(claims, MAC), MAC, issuer=None, audience=None, typ="JWT", required=(), now=1_000
                )
                assert again == claims
            with contextlib.suppress(JoseError):
                jwt.verify(token, keys, issuer="i", audience="a", typ="at+jwt")


def fuzz_jwe(data: bytes) -> None:
    """Compact and JSON, raw and properly encrypted under any header."""
    header, _, rest = data.partition(b"\n")
    parts = [b64(part).encode() for part in rest.split(b"\n", 3)]
    tokens = [data, b".".join((b64(header).encode(), *parts))]
    ciphertext, tag = MODE.seal(SECRET, bytes(12), rest, b64(header).encode())
    tokens.append(f"{b64(header)}..{b64(bytes(12))}.{b64(ciphertext)}.{b64(tag)}".encode())
    for token in tokens:
        for keys in (DIRECT, RECIPIENTS):
            with contextlib.suppress(JoseError):
                done = jwe.decrypt(token, keys)
                assert done.headers["alg"] in done.key.algs
            with contextlib.suppress(JoseError):
                jwt.decrypt_and_verify(token, keys, MAC, issuer=None, audience=None, typ=None)
            with contextlib.suppress(JoseError):
                jwe.decrypt_json(token, keys)
    flattened = {"protected": b64(header), "iv": b64(bytes(12)), "ciphertext": b64(ciphertext), "tag": b64(tag)}
    with contextlib.suppress(JoseError):
        jwe.decrypt_json(json.dumps(flattened), RECIPIENTS)
    assert jwe.decrypt(jwe.encrypt(data, DIRECT), DIRECT).plaintext == data


def fuzz_keys(data: bytes) -> None:
    """JWKs, sets, PEM documents and secrets."""
    for alg in (None, "RS256", "ES256", "ECDH-ES"):
        with contextlib.suppress(JoseError):
            key = Key.from_jwk(data, alg)
            again = Key.from_jwk(key.to_jwk(private=key.is_private))
            assert (again.kid, again.alg, again.thumbprint()) == (key.kid, key.alg, key.thumbprint())
        with contextlib.suppress(JoseError):
            key = Key.from_pem(data, alg)
            assert Key.from_pem(key.to_pem(), key.alg).thumbprint() == key.thumbprint()
        with contextlib.suppress(JoseError):
            keys = KeySet.from_jwks(data, alg)
            assert len(KeySet.from_jwks(keys.to_jwks())) == sum(not key.is_secret for key in keys)
    for alg in ("HS256", "HS512", "A128KW", "A256GCM"):
        with contextlib.suppress(JoseError):
            assert Key.from_secret(data, alg).is_secret
    with contextlib.suppress(JoseError):
        Key.from_password(data, "PBES2-HS256+A128KW")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "jws": fuzz_jws,
    "jwt": fuzz_jwt,
    "jwe": fuzz_jwe,
    "keys": fuzz_keys,
}


def seeds(name: str) -> list[bytes]:
    """Return well-formed inputs of a target, from which a fuzzer starts."""
    claims = b'{"iss":"i","aud":["a","b"],"sub":"s","exp":2000000000,"nbf":1,"iat":1.5,"x":{"y":[null,true,"\\u00e9"]}}'
    jwks = [key.to_jwk(private=True) for key in (MAC, CURVE, DIRECT, AGREE)]
    return {
        "jws": [
            jws.sign(claims, MAC).encode(),
            jws.sign(b"text", CURVE, b64=False).encode(),
            json.dumps(jws.sign_json(claims, MAC)).encode(),
            json.dumps(jws.sign_json(claims, [MAC, CURVE], unprotected={"x": 1})).encode(),
            b'{"alg":"HS256"}\npayload',
            b'{"alg":"HS256","b64":false,"crit":["b64"],"kid":"mac"}\npayload',
        ],
        "jwt": [claims, jwt.sign({"exp": 2_000_000_000}, MAC).encode(), b'{"exp":"2000000000"}'],
        "jwe": [
            *(jwe.encrypt(claims, key).encode() for key in RECIPIENTS),
            json.dumps(jwe.encrypt_json(claims, [WRAP, GCM_WRAP], aad=b"aad", unprotected={"x": 1})).encode(),
            json.dumps(jwe.encrypt_json(claims, AGREE)).encode(),
            b'{"alg":"dir","enc":"A256GCM"}\nplaintext',
            b'{"alg":"dir","enc":"A256GCM","zip":"DEF","kid":"direct"}\n\x03\x00',
        ],
        "keys": [
            *(json.dumps(jwk).encode() for jwk in jwks),
            json.dumps({"keys": jwks}).encode(),
            CURVE.to_pem(),
            CURVE.to_pem(private=True),
            bytes(32),
        ],
    }[name]
