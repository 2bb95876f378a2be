"""Keys that strangers send along are public: one with private members is refused before anything is computed."""

from __future__ import annotations

import json
import secrets
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.attacks.test_resource_exhaustion import refused_cheaply
from tests.support.cost import cost_of
from tests.support.forge import b64, dumps

from gatepass.jose import Key, KeySet, algorithms, errors, jwe, jwk
from gatepass.tokens import dpop_proof
from gatepass.tokens.dpop_proof import InvalidProofError
from gatepass.verify import DPoP, Verifier
from gatepass.verify.issuer import Fetched, IssuerKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.server import RunningServer

LITTLE, SOME = 0.4, 4
"""Yardsticks of work: what is refused by its names costs hardly anything; a search for primes costs hundreds."""
URL = "https://api.example.com/orders"

# RFC 3526 §3, group 14: a prime, so that no exponent ever finds two factors of it.
PRIME = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D"
    "670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
    16,
)


def uint(value: int) -> str:
    """Write a Base64urlUInt."""
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def rsa(n: int = PRIME, e: int = 65537, d: int | None = None) -> dict[str, str]:
    """An RSA key as JWK, its primes left to be computed."""
    return {"kty": "RSA", "n": uint(n), "e": uint(e), "d": uint(pow(e, -1, PRIME - 1) if d is None else d)}


def padded() -> dict[str, str]:
    """A key whose d * e - 1 has thousands of factors of two, so that each try takes thousands of steps."""
    zeros = 1 << 5_000
    e = 65537
    return rsa(e=e, d=pow(e, -1, zeros))


def every_private_member() -> list[dict[str, Any]]:
    """One key of each type, each with a single private member, in turn."""
    keys = [Key.generate(alg).to_jwk(private=True) for alg in ("RS256", "ES256", "Ed25519", "ML-DSA-44", "HS256")]
    names = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
    public = [Key.generate(alg).to_jwk() for alg in ("RS256", "ES256", "Ed25519", "ML-DSA-44")]
    return [*keys, *(one | {name: "AQ"} for one in public for name in names)]


HEAVY: dict[str, Callable[[], dict[str, Any]]] = {
    "a prime modulus": rsa,
    "thousands of factors of two": padded,
    "a modulus of 8192 bits": lambda: rsa(n=(1 << 8191) | secrets.randbits(8190) | 1, d=secrets.randbits(8190) | 1),
    "primes that are none": lambda: Key.generate("RS256").to_jwk(private=True) | {"p": uint(PRIME), "q": "Aw"},
}


def proof_with(key: dict[str, Any]) -> str:
    """A DPoP proof whose header holds a key, and whose signature nobody has made."""
    header = {"typ": dpop_proof.TYP, "alg": "RS256", "jwk": key}
    claims = {"jti": "1", "htm": "GET", "htu": URL, "iat": int(time.time())}
    return f"{b64(dumps(header))}.{b64(dumps(claims))}.{b64(bytes(256))}"


@pytest.mark.parametrize("name", HEAVY)
def test_a_proof_with_a_private_key(name: str) -> None:
    """RFC 9449 §4.3: the jwk of a proof is not a private key, which its names say; the verifier computes nothing."""
    verifier = Verifier(issuer="https://auth.example.com", audience="api", keys=Key.generate("ES256"))
    dpop = DPoP(proof_with(HEAVY[name]()), "GET", URL)
    error = refused_cheaply(lambda: verifier.verify("x.y.z", dpop), cost=LITTLE)
    assert error.code == "invalid_dpop_proof"


def test_every_private_member_by_its_name() -> None:
    """No key with any private member, of any type and whatever it holds, is read as a public one."""
    for key in every_private_member():
        with pytest.raises(errors.InvalidKeyError):
            Key.from_public_jwk(key)
        with pytest.raises(InvalidProofError):
            dpop_proof.check(proof_with(key), method="GET", url=URL, token=None, now=time.time(), seconds=60)
    assert not any(jwk.has_private_members(Key.generate(alg).to_jwk()) for alg in ("RS256", "ES256", "ML-DSA-44"))


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A128KW"])
def test_an_ephemeral_key_with_private_members(name: str, alg: str) -> None:
    """The epk of a JWE is a public key too."""
    key = Key.generate(alg)
    header = {"alg": alg, "enc": "A256GCM", "epk": HEAVY[name]()}
    wrapped = "" if alg == "ECDH-ES" else b64(bytes(40))
    token = f"{b64(dumps(header))}.{wrapped}.{b64(bytes(12))}.AAAA.{b64(bytes(16))}"
    assert refused_cheaply(lambda: jwe.decrypt(token, key), cost=LITTLE).code == "decryption_failed"


@pytest.mark.parametrize("read", [KeySet.from_jwks, KeySet.from_public_jwks])
def test_private_keys_among_published_ones(read: Callable[[object], KeySet]) -> None:
    """A hundred private keys in a JWKS are skipped by name and counted; the public one beside them is read."""
    good = Key.generate("ES256")
    heavy = [rsa(n=(1 << 4095) | secrets.randbits(4094) | 1) | {"alg": "RS256", "kid": str(n)} for n in range(100)]
    document = json.dumps({"keys": [*heavy, Key.generate("RS256").to_jwk(private=True), good.to_jwk()]})
    assert cost_of(lambda: read(document)) < SOME
    keys = read(document)
    assert ([key.kid for key in keys], keys.skipped) == ([good.kid], 101)
    assert keys.reasons == ("the key has private members",)


def test_a_document_of_private_keys_alone_computes_no_primes() -> None:
    """Primes are found for a key that is imported by itself, not for a document of a hundred."""
    heavy = [rsa(n=(1 << 4095) | secrets.randbits(4094) | 1) | {"alg": "RS256", "kid": str(n)} for n in range(100)]
    for read in (KeySet.from_jwks, KeySet.from_public_jwks):
        assert cost_of(lambda read=read: read({"keys": heavy})) < SOME  # type: ignore[misc]
        assert len(read({"keys": heavy})) == 0


def test_an_issuer_that_publishes_its_private_keys() -> None:
    """What an issuer publishes is known to everybody: private keys and secrets of its JWKS verify nothing."""
    issuer = IssuerKeys("https://auth.example.com", jwks_url="https://auth.example.com/jwks.json")
    good = Key.generate("ES256")
    document = {"keys": [*every_private_member(), good.to_jwk()]}
    flow = issuer.refresh(0)
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(Fetched(200, {}, dumps(document)))
    assert [key.kid for key in stop.value.value.keys] == [good.kid]


def test_an_import_of_a_private_key_is_bounded() -> None:
    """`Key.from_jwk` computes primes from n, e and d in a few tries, and tells at once what can have none."""
    key = Key.generate("RS256").to_jwk(private=True)
    short = {name: key[name] for name in ("kty", "alg", "n", "e", "d")}
    assert Key.from_jwk(short).to_jwk(private=True)["d"] == key["d"]
    for bad in (rsa(), padded(), short | {"d": uint(3)}, rsa(n=(1 << 2047) | secrets.randbits(2046) | 1)):
        error = refused_cheaply(partial(Key.from_jwk, bad, None if "alg" in bad else "RS256"), cost=20)
        assert error.code == "invalid_key"


# ── one budget a document ───────────────────────────────────────────────────────────────────────────────────────────


def document_for(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """A JWE in JSON whose recipients were never meant for anybody."""
    shared = {"protected": b64(dumps({"enc": "A128GCM"})), "iv": b64(bytes(12)), "tag": b64(bytes(16))}
    return shared | {"ciphertext": "AAAA", "recipients": entries}


def test_sixteen_recipients_cost_one_budget() -> None:
    """Sixteen recipients at the highest count of rounds cost as much as one token."""
    key = Key.from_password("correct horse", "PBES2-HS256+A128KW", iterations=1_000, max_iterations=100_000)
    entry = {
        "header": {"alg": "PBES2-HS256+A128KW", "p2s": b64(bytes(16)), "p2c": 100_000},
        "encrypted_key": b64(bytes(24)),
    }
    one = thread_seconds(partial(jwe.decrypt_json, document_for([entry]), key))
    sixteen = thread_seconds(partial(jwe.decrypt_json, document_for([entry] * 16), key))
    assert sixteen < 2 * one


def test_recipients_of_large_rsa_keys_cost_one_budget() -> None:
    """Decrypting with an RSA key of 4096 bits takes milliseconds: a document may ask for two."""
    key = Key.generate("RSA-OAEP-256", bits=4096)
    entry = {"header": {"alg": "RSA-OAEP-256"}, "encrypted_key": b64(bytes(512))}
    one = thread_seconds(partial(jwe.decrypt_json, document_for([entry]), key))
    sixteen = thread_seconds(partial(jwe.decrypt_json, document_for([entry] * 16), key))
    assert sixteen < 4 * one


def test_an_honest_document_is_within_the_budget() -> None:
    """Two passwords at our own count of rounds, and sixteen RSA keys of which ours is named last, are read."""
    ours, theirs = (Key.from_password(word, "PBES2-HS256+A128KW", iterations=1_000) for word in ("a" * 8, "b" * 8))
    assert jwe.decrypt_json(jwe.encrypt_json(b"x", [theirs, ours], enc="A128GCM"), ours).plaintext == b"x"
    key = Key.generate("RSA-OAEP-256", bits=4096)
    crowd = jwe.encrypt_json(b"x", [Key.generate("RSA-OAEP-256").public() for _ in range(15)] + [key.public()])
    assert jwe.decrypt_json(crowd, key).plaintext == b"x"


def test_rounds_that_are_no_number_are_no_credit() -> None:
    """A negative or endless count of one recipient leaves the others no more than the budget."""
    key = Key.from_password("correct horse", "PBES2-HS256+A128KW", iterations=1_000, max_iterations=50_000)
    for rounds in (-(10**9), 10**400, True, "1000", None):
        header = {"alg": "PBES2-HS256+A128KW", "p2s": b64(bytes(16)), "p2c": rounds}
        entries = [{"header": header, "encrypted_key": b64(bytes(24))}] * 2
        with pytest.raises(errors.JoseError):
            jwe.decrypt_json(document_for(entries), key)


def thread_seconds(attempt: Callable[[], object]) -> float:
    """Processor time of a refusal, the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        with pytest.raises(errors.JoseError):
            attempt()
        best = min(best, time.thread_time() - started)
    return best


# ── at a running server ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_server_that_gets_such_a_proof_goes_on(server: RunningServer) -> None:
    """`POST /login` with a proof that holds a private key is refused before a look at its numbers."""
    key = rsa()
    answer = httpx.post(
        f"{server.url}/login",
        json={"email": "nobody@example.com", "password": "correct horse battery"},
        headers={"DPoP": proof_with(key)},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_dpop_proof")


def test_the_names_are_those_of_every_type() -> None:
    """Whatever a key of any type writes of its private part has a name that the public reader refuses."""
    for row in algorithms.SIGNATURES.values():
        key = Key.generate(row.name)
        public = set() if key.is_secret else key.to_jwk().keys() | {"kty"}
        private = key.to_jwk(private=True).keys() - public - {"kty", "kid", "alg"}
        assert private
        assert all(jwk.has_private_members({name: ""}) for name in private)
