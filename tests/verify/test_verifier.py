"""`Verifier` offline: the policy, the memory of verified tokens, and what a `Principal` holds."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, KeySet, jwt
from gatepass.jose.errors import InvalidPolicyError, MalformedError
from gatepass.verify import Fetched, Principal, Verifier
from gatepass.verify.memory import LONGEST_REMEMBERED

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user_1",
    "aud": "my-api",
    "exp": int(NOW) + 900,
    "iat": int(NOW),
    "jti": "tok_1",
    "client_id": "first-party",
}


def signed(typ: str | None = "at+jwt", key: Key = KEY, **changes: object) -> str:
    """Sign a good token with some claims changed; None takes a claim away."""
    return jwt.sign({name: value for name, value in (CLAIMS | changes).items() if value is not None}, key, typ=typ)


def offline(**arguments: Any) -> Verifier:  # noqa: ANN401 - any argument of Verifier, right or wrong
    """Make a verifier that has its keys."""
    policy: dict[str, Any] = {"issuer": ISSUER, "audience": "my-api", "keys": KeySet([KEY.public()]), "clock": Clock()}
    return Verifier(**policy | arguments)


def refusal(verifier: Verifier, token: str) -> str:
    """Say with which code a token is refused."""
    with pytest.raises(JoseError) as caught:
        verifier.verify(token)
    return caught.value.code


# ── what comes out ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_principal_says_what_the_token_says() -> None:
    """Each attribute comes from its claim."""
    token = signed(sid="s_1", scope="a b", roles=["admin"], auth_time=int(NOW) - 5, acr="2", amr=["pwd", "otp"])
    principal = offline().verify(token)
    assert principal.subject == "user_1"
    assert principal.client_id == "first-party"
    assert principal.session_id == "s_1"
    assert principal.token_id == "tok_1"
    assert principal.scopes == {"a", "b"}
    assert principal.roles == {"admin"}
    assert principal.expires_at == NOW + 900
    assert principal.auth_time == NOW - 5
    assert (principal.acr, principal.amr) == ("2", ("pwd", "otp"))
    assert principal.claims["sid"] == "s_1"


def test_only_spaces_separate_scopes() -> None:
    """No other blank makes two scopes out of one (RFC 6749 §3.3)."""
    assert offline().verify(signed(scope=" a  b\tc d\u00a0e ")).scopes == {"a", "b\tc", "d\u00a0e"}


def test_what_a_token_does_not_say_is_none_or_empty() -> None:
    """A token with the required claims alone grants nothing."""
    principal = offline().verify(signed())
    assert (principal.scopes, principal.roles, principal.amr) == (frozenset(), frozenset(), ())
    assert (principal.session_id, principal.auth_time, principal.acr) == (None, None, None)


def test_a_principal_cannot_be_changed() -> None:
    """Requests share remembered principals, so nothing in one can be changed, at any depth."""
    verifier = offline()
    principal = verifier.verify(signed(tenant={"ids": [1, 2]}))
    with pytest.raises(AttributeError):
        principal.subject = "user_2"  # type: ignore[misc]
    claims: Any = principal.claims
    with pytest.raises(TypeError):
        claims["sub"] = "user_2"
    with pytest.raises(TypeError):
        claims["tenant"]["ids"] = []
    assert claims["tenant"]["ids"] == (1, 2)


def test_a_principals_repr_tells_who_and_no_more() -> None:
    """Neither the token nor its claims get into a log by way of a principal."""
    token = signed(email="ada@example.com", scope="secret:scope")
    principal = offline().verify(token)
    assert repr(principal) == "Principal(subject='user_1', client_id='first-party')"
    assert principal.__rich_repr__() == [("subject", "user_1"), ("client_id", "first-party")]


def test_principals_can_be_compared_and_put_in_a_set() -> None:
    """Two verifications of one token are equal; another token's principal is not."""
    verifier = offline(cache_size=0)
    one, same, other = verifier.verify(signed()), verifier.verify(signed()), verifier.verify(signed(jti="tok_2"))
    assert len({one, same, other}) == 2


def test_averify_is_verify() -> None:
    """Both ways give the same principal and the same refusal."""
    verifier = offline()
    assert asyncio.run(verifier.averify(signed())) == verifier.verify(signed())
    with pytest.raises(JoseError) as caught:
        asyncio.run(verifier.averify(signed(exp=int(NOW))))
    assert caught.value.code == "expired"


def test_the_clock_is_the_systems_by_default() -> None:
    """Without `clock` tokens are judged by the present."""
    now = int(time.time())
    verifier = Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public())
    assert verifier.verify(signed(iat=now, exp=now + 60)).subject == "user_1"
    assert refusal(verifier, signed(iat=now - 60, exp=now)) == "expired"


# ── other issuers ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claims", "scopes", "client"),
    [
        ({"scope": "a b"}, {"a", "b"}, "first-party"),
        ({"scp": "a b", "client_id": None, "azp": "spa"}, {"a", "b"}, "spa"),
        ({"scp": ["a", "b"], "client_id": None}, {"a", "b"}, None),
        ({"scope": "", "scp": "a"}, set(), "first-party"),
        ({}, set(), "first-party"),
    ],
)
def test_another_issuers_words(claims: dict[str, Any], scopes: set[str], client: str | None) -> None:
    """With `typ=None`, `azp` and `scp` stand in for `client_id` and `scope`."""
    principal = offline(typ=None).verify(signed("JWT", **claims))
    assert principal.scopes == scopes
    assert principal.client_id == client


def test_the_rules_of_rfc_9068_are_not_lost_by_spelling() -> None:
    """`at+jwt` and its long form demand the same claims."""
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        assert refusal(offline(typ=typ), signed(jti=None)) == "missing_claim"


def test_a_shared_secret_is_given_never_fetched() -> None:
    """HS256 works with `keys=`."""
    secret = Key.from_secret(b"s" * 32, "HS256")
    assert offline(keys=secret).verify(signed(key=secret)).subject == "user_1"
    assert refusal(offline(keys=secret), signed()) == "alg_not_allowed"


# ── the memory of verified tokens ───────────────────────────────────────────────────────────────────────────────────


def test_a_token_seen_before_is_not_verified_again() -> None:
    """The second answer is the first one's principal."""
    verifier, token = offline(), signed()
    assert verifier.verify(token) is verifier.verify(token)


def test_memory_can_be_turned_off() -> None:
    """With `cache_size=0` every token is verified each time."""
    verifier, token = offline(cache_size=0), signed()
    assert verifier.verify(token) is not verifier.verify(token)


def test_a_remembered_token_ends_when_it_says() -> None:
    """A verdict never outlives `exp`, with the same leeway as at first."""
    clock = Clock()
    for leeway in (0, 5):
        clock.now = NOW
        verifier, token = offline(clock=clock, leeway=leeway), signed()
        verifier.verify(token)
        clock.advance(900 + leeway - 0.5)
        assert verifier.verify(token).subject == "user_1"
        clock.advance(0.5)
        assert refusal(verifier, token) == "expired"


def test_memory_is_bounded() -> None:
    """When it is full the oldest token is forgotten, and is verified again if it comes back."""
    verifier = offline(cache_size=3)
    tokens = [signed(jti=f"t{n}") for n in range(4)]
    first, *rest = [verifier.verify(token) for token in tokens]
    assert len(verifier._memory.seen) == 3
    assert [verifier.verify(token) for token in tokens[1:]] == rest
    assert verifier.verify(tokens[0]) is not first


def test_a_token_that_two_threads_verify_at_once_pushes_nobody_out() -> None:
    """The second to remember it finds it there, and the others stay."""
    verifier = offline(cache_size=2)
    tokens = [signed(jti=f"t{n}") for n in range(2)]
    for token in (*tokens, tokens[1]):
        verifier._attempt(token)
    assert list(verifier._memory.seen) == tokens


def test_many_threads_share_a_small_memory() -> None:
    """Eight threads that push each other's tokens out get right answers, and the bound holds."""
    verifier = offline(cache_size=5)
    tokens = [signed(jti=f"t{n}") for n in range(20)]

    def reads(start: int) -> bool:
        order = [(start + step) % len(tokens) for step in range(200)]
        return all(verifier.verify(tokens[n]).token_id == f"t{n}" for n in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reads, range(8)))
    assert len(verifier._memory.seen) == 5


def test_a_very_long_token_is_not_remembered() -> None:
    """What is remembered has a known size."""
    verifier = offline()
    verifier.verify(signed(note="x" * LONGEST_REMEMBERED))
    assert verifier._memory.seen == {}


def test_a_refusal_is_never_remembered() -> None:
    """A token that was too early is good once its time has come."""
    clock = Clock()
    verifier, token = offline(clock=clock), signed(nbf=int(NOW) + 10)
    assert refusal(verifier, token) == "not_yet_valid"
    clock.advance(10)
    assert verifier.verify(token).subject == "user_1"


def test_a_token_is_remembered_whole() -> None:
    """Another signature over the same message is another token, and is verified."""
    verifier, token = offline(), signed()
    verifier.verify(token)
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    assert refusal(verifier, forged) == "bad_signature"


@pytest.mark.parametrize("token", [None, 7, b"", [], {}, object()])
def test_what_is_no_text_is_no_token(token: object) -> None:
    """A wrong type is a refusal like any other, hashable or not."""
    with pytest.raises(MalformedError):
        offline().verify(cast("str", token))


# ── the policy ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments",
    [
        {"issuer": ""},
        {"issuer": None},
        {"audience": ""},
        {"audience": None},
        {"audience": 7},
        {"keys": "-----BEGIN PUBLIC KEY-----"},
        {"keys": {"keys": []}},
        {"audience": []},
        {"audience": ["my-api", ""]},
        {"typ": ""},
        {"roles": ""},
        {"roles": ()},
        {"roles": ("a", "")},
        {"roles": ["a"]},
        {"typ": 7},
        {"leeway": -1},
        {"leeway": 301},
        {"leeway": float("nan")},
        {"cache_size": -1},
        {"revocation": "push"},
        {"revocation": []},
        {"revocation": "feed", "fetch": lambda _: Fetched(200, {}, b"")},
        {"revocation": "feed", "issuer": "http://auth.example.com"},
        {"stale": "ignore"},
        {"stale": []},
        {"stale_after": 0},
        {"stale_after": float("nan")},
        {"stale_after": float("inf")},
        {"alg": "ES256"},
        {"jwks_url": "https://auth.example.com/jwks"},
        {"ca_file": "ca.pem"},
        {"fetch": lambda _: Fetched(200, {}, b"")},
        {"keys": None, "issuer": "http://auth.example.com"},
        {"keys": None, "issuer": "auth.example.com"},
        {"keys": None, "issuer": "https://auth.example.com?tenant=1"},
        {"keys": None, "issuer": "https://auth.example.com#x"},
        {"keys": None, "issuer": "https://user@auth.example.com"},
        {"keys": None, "issuer": "https://auth.example.com\\@evil.example"},
        {"keys": None, "issuer": "https://auth.example.com\n"},
        {"keys": None, "issuer": "https://äuth.example.com"},
        {"keys": None, "issuer": "http://auth.localhost"},
        {"keys": None, "issuer": "https://[::1"},
        {"keys": None, "issuer": "https://auth.example.com:port"},
        {"keys": None, "jwks_url": "http://auth.example.com/jwks"},
        {"keys": None, "ca_file": "/nonexistent/ca.pem"},
        {"keys": None, "proxy": "proxy.example.com:3128"},
        {"keys": None, "proxy": "http://proxy.example.com:3128", "fetch": lambda _: Fetched(200, {}, b"")},
        {"proxy": "http://proxy.example.com:3128"},
        {"keys": None, "ca_file": "ca.pem", "fetch": lambda _: Fetched(200, {}, b"")},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_at_once(arguments: dict[str, Any]) -> None:
    """A mistake shows when the application starts, not at the first request."""
    with pytest.raises(InvalidPolicyError):
        offline(**arguments)


@pytest.mark.parametrize("issuer", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000/tenant"])
def test_plain_http_is_for_this_machine(issuer: str) -> None:
    """An issuer on loopback needs no TLS."""
    assert Verifier(issuer=issuer, audience="my-api").issuer == issuer


def test_one_of_several_audiences() -> None:
    """`audience` may be a collection: one of them is enough."""
    verifier = offline(audience={"other-api", "my-api"})
    assert verifier.verify(signed()).subject == "user_1"
    assert refusal(verifier, signed(aud="third-api")) == "wrong_audience"


def test_a_verifiers_repr_shows_its_policy() -> None:
    """Issuer and audience, and nothing else."""
    assert repr(offline()) == f"Verifier(issuer='{ISSUER}', audience='my-api')"


def test_a_principal_is_a_principal() -> None:
    """The class is the one that the package exports."""
    assert isinstance(offline().verify(signed()), Principal)
