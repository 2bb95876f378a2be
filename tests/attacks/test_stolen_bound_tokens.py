"""A token that is bound to a key, stolen with the proofs that were sent beside it (RFC 9449 §11)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest
from tests.support import forge
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, jws, jwt
from gatepass.tokens import dpop_proof
from gatepass.verify import DPoP, DPoPPolicy, Verifier
from gatepass.verify.dpop import InMemoryReplays
from gatepass.verify.errors import UseNonceError

ISSUER = "https://auth.example.com"
URL = "https://api.example.com/orders"
KEY = Key.generate("ES256")
HOLDER = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user_1",
    "aud": "my-api",
    "exp": int(NOW) + 900,
    "iat": int(NOW),
    "jti": "tok_1",
    "client_id": "first-party",
}
TOKEN = jwt.sign(CLAIMS | {"cnf": {"jkt": HOLDER.thumbprint()}}, KEY, typ="at+jwt")
BEARER = jwt.sign(CLAIMS, KEY, typ="at+jwt")


def verifier(**policy: Any) -> Verifier:  # noqa: ANN401 - any argument
    """Make a verifier whose clock stands."""
    given: dict[str, Any] = {"issuer": ISSUER, "audience": "my-api", "keys": KEY.public(), "clock": Clock()}
    return Verifier(**given | policy)


def proof(key: Key = HOLDER, **changes: Any) -> str:  # noqa: ANN401 - any argument
    """Make a good proof for the token, but for what is changed."""
    given: dict[str, Any] = {"method": "GET", "url": URL, "token": TOKEN, "now": NOW}
    return dpop_proof.make(key, **given | changes)


def written(claims: dict[str, Any] | bytes, header: dict[str, Any] | None = None, key: Key = HOLDER) -> str:
    """Sign a proof as it is written here."""
    public = {name: value for name, value in key.public().to_jwk().items() if name in ("kty", "crv", "x", "y")}
    head = {"alg": key.alg, "typ": "dpop+jwt", "jwk": public} | (header or {})
    payload = claims if isinstance(claims, bytes) else forge.dumps(claims)
    message = f"{forge.b64(forge.dumps(head))}.{forge.b64(payload)}".encode()
    return jws.assemble(message, key.sign(message))


def good_claims(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any claim
    """What a good proof says; None takes a claim away."""
    ath = forge.b64(hashlib.sha256(TOKEN.encode()).digest())
    claims = {"jti": "p1", "htm": "GET", "htu": URL, "iat": int(NOW), "ath": ath}
    return {name: value for name, value in (claims | changes).items() if value is not None}


def refusal(by: Verifier, given: str | None, token: str = TOKEN, method: str = "GET", url: str = URL) -> str:
    """Say with which code a request is refused."""
    with pytest.raises(JoseError) as caught:
        by.verify(token, None if given is None else DPoP(given, method, url))
    assert token not in str(caught.value)
    return caught.value.code


def test_the_holder_gets_in() -> None:
    """What the attacks below change is a good request, by either way of calling, with a proof that we wrote by hand."""
    by = verifier()
    assert by.verify(TOKEN, DPoP(proof(), "GET", URL)).key_thumbprint == HOLDER.thumbprint()
    assert asyncio.run(by.averify(TOKEN, DPoP(proof(), "GET", URL))).subject == "user_1"
    assert by.verify(TOKEN, DPoP(written(good_claims()), "GET", URL)).subject == "user_1"


def test_the_token_alone() -> None:
    """A bound token without a proof is refused, also after the holder has used it and it is remembered."""
    by = verifier()
    assert refusal(by, None) == "unproven_cnf"
    by.verify(TOKEN, DPoP(proof(), "GET", URL))
    assert refusal(by, None) == "unproven_cnf"
    assert refusal(by, proof(Key.generate("ES256"))) == "unproven_cnf"
    with pytest.raises(JoseError):
        asyncio.run(by.averify(TOKEN))


def test_a_bearer_token_with_a_proof() -> None:
    """A proof does not make a bound token of one that is not: the thief of a bearer token may have any key."""
    by = verifier()
    by.verify(BEARER)
    assert refusal(by, proof(token=BEARER), BEARER) == "unproven_cnf"


def test_a_proof_that_was_overheard() -> None:
    """A proof is good once; for another request it never was."""
    by, overheard = verifier(), proof()
    assert by.verify(TOKEN, DPoP(overheard, "GET", URL)).subject == "user_1"
    assert refusal(by, overheard) == "invalid_dpop_proof"
    for method, url in (
        ("POST", URL),
        ("get", URL),
        ("GET", URL + "/"),
        ("GET", "http://api.example.com/orders"),
        ("GET", "https://api.example.com:8443/orders"),
        ("GET", "https://evil.example/orders"),
        ("GET", "https://api.example.com@evil.example/orders"),
        ("GET", "https://api.example.com/Orders"),
        ("GET", "https://api.example.com/%2Forders"),
        ("GET", "not a URL"),
        ("GET", ""),
    ):
        assert refusal(by, proof(), method=method, url=url) == "invalid_dpop_proof", url


def test_an_escaped_slash_is_not_a_slash() -> None:
    """`/a%2Fb` and `/a/b` are two targets, as are `%252F` and `%2F`; `%61` is an `a`, in whatever case."""
    same = dpop_proof.is_same_target
    assert not same("https://a.example/a%2Fb", "https://a.example/a/b")
    assert not same("https://a.example/a%252Fb", "https://a.example/a%2Fb")
    assert same("https://a.example/%61%2f", "HTTPS://A.example:443/a%2F?x#y")
    assert same("https://a.example", "https://a.example/")
    assert not same("https://a.example/", "https://a.example:1/")
    assert not same("ftp://a.example/", "ftp://a.example/")
    assert not same("https://a.example:x/", "https://a.example:x/")
    assert not same("https://u@a.example/", "https://u@a.example/")


def test_a_proof_for_another_token() -> None:
    """A proof names the token that it was made for; one that names none is for the token endpoint."""
    by = verifier()
    assert refusal(by, proof(token=BEARER)) == "invalid_dpop_proof"
    assert refusal(by, proof(token=None)) == "invalid_dpop_proof"
    assert refusal(by, written(good_claims(ath=None))) == "invalid_dpop_proof"
    assert refusal(by, written(good_claims(ath=""))) == "invalid_dpop_proof"


@pytest.mark.parametrize("seconds", [-61, 61, 1e9, -1e9])
def test_a_proof_of_another_time(seconds: float) -> None:
    """A proof is good for a minute, in either direction."""
    assert refusal(verifier(), proof(now=NOW + seconds)) == "invalid_dpop_proof"


def test_proofs_made_in_advance() -> None:
    """With nonces nobody who had the key for a moment can make proofs for tomorrow."""
    clock = Clock()
    by = verifier(clock=clock, dpop=DPoPPolicy(nonce_secret=b"s" * 32))
    with pytest.raises(UseNonceError) as caught:
        by.verify(TOKEN, DPoP(proof(), "GET", URL))
    nonce = caught.value.nonce
    assert by.verify(TOKEN, DPoP(proof(nonce=nonce), "GET", URL)).subject == "user_1"
    other = DPoPPolicy(nonce_secret=b"t" * 32).nonce(NOW)
    for made_up in (other, "", "é", nonce[:-1]):
        assert refusal(by, proof(nonce=made_up)) == "use_dpop_nonce"
    clock.advance(600)
    assert refusal(by, proof(nonce=nonce, now=clock())) == "use_dpop_nonce"


def test_the_key_in_the_header() -> None:
    """The proof's key is public, of an asymmetric algorithm, and its own signature is made with it."""
    by, other = verifier(), Key.generate("ES256")
    secret = Key.generate("HS256")
    private = HOLDER.to_jwk(private=True)
    public = HOLDER.public().to_jwk()
    headers: tuple[dict[str, Any], ...] = (
        {"jwk": private},
        {"jwk": other.public().to_jwk()},
        {"jwk": secret.to_jwk(private=True)},
        {"jwk": None},
        {"jwk": "x"},
        {"jwk": {}},
        {"jwk": public | {"alg": "ES384"}},
        {"jwk": public | {"use": "enc"}},
        {"jwk": public | {"x": "AAAA"}},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": None},
        {"typ": "JWT"},
        {"typ": "at+jwt"},
        {"typ": None},
        {"crit": ["x"], "x": 1},
    )
    for header in headers:
        assert refusal(by, written(good_claims(), header)) == "invalid_dpop_proof", header
    message = f"{forge.b64(forge.dumps({'alg': 'HS256', 'typ': 'dpop+jwt', 'jwk': secret.to_jwk(private=True)}))}"
    message += f".{forge.b64(forge.dumps(good_claims()))}"
    forged = jws.assemble(message.encode(), secret.sign(message.encode()))
    assert refusal(by, forged) == "invalid_dpop_proof"
    head, payload, signature = written(good_claims()).split(".")
    assert refusal(by, f"{head}.{payload}.{'A' * len(signature)}") == "invalid_dpop_proof"
    assert refusal(by, f"{head}.{payload}.") == "invalid_dpop_proof"


@pytest.mark.parametrize(
    "claims",
    [
        good_claims(jti=None),
        good_claims(jti=""),
        good_claims(jti=7),
        good_claims(jti="x" * 257),
        good_claims(htm=None),
        good_claims(htm=["GET"]),
        good_claims(htu=None),
        good_claims(htu=7),
        good_claims(iat=None),
        good_claims(iat=str(int(NOW))),
        good_claims(iat=True),
        good_claims(iat=10**400),
        good_claims(iat=-(10**400)),
        json.dumps(good_claims(iat=0)).replace('"iat": 0', '"iat": 1e999').encode(),
        json.dumps(good_claims(jti="\ud800")).encode(),
        good_claims(nonce=7),
        good_claims(exp=int(NOW)),
        [],
        b"x",
        json.dumps(good_claims()).replace("{", '{"htm":"POST",', 1).encode(),
    ],
)
def test_claims_that_are_no_proof(claims: Any) -> None:  # noqa: ANN401 - anything but claims
    """What is missing, of another type or there twice proves nothing."""
    assert refusal(verifier(), written(claims)) == "invalid_dpop_proof"


@pytest.mark.parametrize("rubbish", ["", "x", "a.b.c", "é", TOKEN, "x" * 1_000_000, "." * 10_000, "\x00"])
def test_rubbish_for_a_proof(rubbish: str) -> None:
    """Whatever is sent as a proof is refused as one; an access token is none."""
    assert refusal(verifier(), rubbish) == "invalid_dpop_proof"


def test_a_proof_is_no_access_token() -> None:
    """Nor does a proof open anything by itself."""
    assert refusal(verifier(), None, proof()) == "unknown_key" or refusal(verifier(), None, proof()) == "bad_signature"


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {}, None, "x", {"x5t#S256": "x"}])
def test_a_binding_that_was_not_proven(cnf: object) -> None:
    """A token that asks for another key, for a certificate as well, or for something unknown is refused."""
    bound = jwt.sign(CLAIMS | {"cnf": cnf}, KEY, typ="at+jwt")
    assert refusal(verifier(), proof(token=bound), bound) == "unproven_cnf"
    more = jwt.sign(CLAIMS | {"cnf": {"jkt": HOLDER.thumbprint(), "x5t#S256": "x"}}, KEY, typ="at+jwt")
    assert refusal(verifier(), proof(token=more), more) == "unproven_cnf"


def test_a_flood_of_proofs_forgets_none() -> None:
    """When the memory is full new proofs are refused for a while; an old one never gets a second use."""
    clock = Clock()
    by = verifier(clock=clock, dpop=DPoPPolicy(replays=InMemoryReplays(size=3, clock=clock)))
    first = proof()
    by.verify(TOKEN, DPoP(first, "GET", URL))
    for _ in range(2):
        by.verify(TOKEN, DPoP(proof(), "GET", URL))
    assert refusal(by, proof()) == "replays_unavailable"
    assert refusal(by, first) == "invalid_dpop_proof"
    clock.advance(61)
    assert refusal(by, first) == "invalid_dpop_proof"
    assert by.verify(TOKEN, DPoP(proof(now=clock()), "GET", URL)).subject == "user_1"


def test_nobody_without_a_good_token_fills_the_memory() -> None:
    """A proof beside a token that is refused is not remembered."""
    by = verifier(dpop=DPoPPolicy(replays=InMemoryReplays(size=1)))
    expired = jwt.sign(CLAIMS | {"exp": int(NOW), "cnf": {"jkt": HOLDER.thumbprint()}}, KEY, typ="at+jwt")
    for _ in range(3):
        assert refusal(by, proof(token=expired), expired) == "expired"
    assert by.verify(TOKEN, DPoP(proof(), "GET", URL)).subject == "user_1"


def test_a_token_is_not_had_without_proof_where_one_is_required() -> None:
    """With `required` not even a good bearer token passes, remembered or not."""
    by = verifier(dpop=DPoPPolicy(required=True))
    assert refusal(by, None, BEARER) == "unproven_cnf"
    assert refusal(by, None, BEARER) == "unproven_cnf"
