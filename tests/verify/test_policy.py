"""What a verifier asks of tokens, and arguments that make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.offline_verifier import offline, refusal, signed

from gatepass.jose.errors import InvalidPolicyError
from gatepass.verify import Fetched, Verifier


def test_the_rules_of_rfc_9068_are_not_lost_by_spelling() -> None:
    """`at+jwt` and its long form demand the same claims."""
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        assert refusal(offline(typ=typ), signed(jti=None)) == "missing_claim"


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
