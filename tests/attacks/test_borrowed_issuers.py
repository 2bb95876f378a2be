"""An API that takes tokens of several issuers: what one of them signs must not pass as another's (RFC 8725bis §3.8)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import forge
from tests.support.cost import cost_of
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer

from gatepass.jose import JoseError, Key, jws
from gatepass.jose.errors import InvalidPolicyError
from gatepass.verify import FetchError, Verifier

if TYPE_CHECKING:
    from gatepass.verify import AnyOf

A, B = "https://a.example.com", "https://b.example.com"
KEYS = {issuer: Key.generate("ES256", kid="k1") for issuer in (A, B)}
CLAIMS: dict[str, Any] = {"sub": "user_1", "exp": int(NOW) + 900, "iat": int(NOW), "jti": "t1", "client_id": "c"}


def verifier() -> AnyOf:
    """Take the tokens of two issuers, each for an audience of its own, whose keys have the same `kid`."""
    return Verifier.any_of(
        Verifier(issuer=A, audience="for-a", keys=KEYS[A].public(), clock=Clock()),
        Verifier(issuer=B, audience="for-b", keys=KEYS[B].public(), clock=Clock()),
    )


def token(issuer: object, audience: str, key: Key) -> str:
    """Sign, whatever it says of its issuer."""
    claims = {"iss": issuer, "aud": audience} | CLAIMS
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    message = f"{forge.b64(forge.dumps(header))}.{forge.b64(forge.dumps(claims))}".encode()
    return jws.assemble(message, key.sign(message))


def refusal(by: AnyOf, given: Any) -> str:  # noqa: ANN401 - anything for a token
    """Say with which code a token is refused, by either way of asking."""
    with pytest.raises(JoseError) as caught:
        by.verify(given)
    with pytest.raises(JoseError) as again:
        asyncio.run(by.averify(given))
    assert again.value.code == caught.value.code
    return caught.value.code


def test_each_issuer_s_own_tokens() -> None:
    """What the attacks change is good, the first time and when it is remembered."""
    by = verifier()
    for _ in range(2):
        assert by.verify(token(A, "for-a", KEYS[A])).claims["iss"] == A
        assert by.verify(token(B, "for-b", KEYS[B])).claims["iss"] == B
    assert by.issuers == (A, B)
    assert set(by.health()) == {A, B}


def test_one_issuer_signs_as_the_other() -> None:
    """The same `kid` in both sets opens nothing, nor does an audience of the other."""
    by = verifier()
    assert refusal(by, token(B, "for-b", KEYS[A])) == "bad_signature"
    assert refusal(by, token(A, "for-a", KEYS[B])) == "bad_signature"
    assert refusal(by, token(A, "for-b", KEYS[A])) == "wrong_audience"
    assert refusal(by, token(B, "for-a", KEYS[B])) == "wrong_audience"


@pytest.mark.parametrize(
    "issuer", [None, 7, True, [], [A], {"a": A}, "", A + "/", A.upper(), f"{A} {B}", "https://c.example"]
)
def test_an_issuer_that_is_neither(issuer: object) -> None:
    """`iss` is one of them, exactly, or the token is refused before any key is looked at."""
    for key in KEYS.values():
        assert refusal(verifier(), token(issuer, "for-a", key)) in ("wrong_issuer", "malformed", "bad_claim")


@pytest.mark.parametrize("rubbish", ["", "x", "a.b.c", "é.é.é", "." * 10_000, "x" * 1_000_000, None, 7, b"x", []])
def test_rubbish(rubbish: object) -> None:
    """Whatever is no token is refused as such, and at once."""
    assert refusal(verifier(), rubbish) in ("malformed", "token_too_long")
    assert cost_of(lambda: refusal(verifier(), rubbish)) < 20


def test_an_unknown_issuer_causes_no_fetch() -> None:
    """Nobody makes us ask an issuer by naming another."""
    with ScriptedIssuer() as one, ScriptedIssuer() as other:
        clock = Clock()
        verifiers = [
            Verifier(issuer=each.url, audience="my-api", revocation=None, clock=clock) for each in (one, other)
        ]
        by = Verifier.any_of(*verifiers)
        assert refusal(by, one.token(iss="https://elsewhere.example")) == "wrong_issuer"
        assert (one.requests, other.requests) == ([], [])
        assert by.verify(one.token()).claims["iss"] == one.url
        assert other.requests == []


def test_one_issuer_s_outage_is_not_the_other_s() -> None:
    """While one is away the other's tokens pass."""

    def down(_: str) -> Any:  # noqa: ANN401 - it never answers
        raise FetchError("down")

    by = Verifier.any_of(
        Verifier(issuer=A, audience="for-a", revocation=None, fetch=down, clock=Clock()),
        Verifier(issuer=B, audience="for-b", keys=KEYS[B].public(), clock=Clock()),
    )
    assert refusal(by, token(A, "for-a", KEYS[A])) == "issuer_unavailable"
    assert by.verify(token(B, "for-b", KEYS[B])).subject == "user_1"


def test_two_policies_for_one_issuer() -> None:
    """Which of them would count is nobody's guess: it is refused when the application starts."""
    one = Verifier(issuer=A, audience="for-a", keys=KEYS[A].public())
    with pytest.raises(InvalidPolicyError):
        Verifier.any_of(one, Verifier(issuer=A, audience="other", keys=KEYS[A].public()))
    with pytest.raises(InvalidPolicyError):
        Verifier.any_of()
