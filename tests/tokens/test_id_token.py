"""ID tokens (OpenID Connect Core §2): what a minted one looks like, and what passes for a hint."""

from __future__ import annotations

from typing import Any

import pytest

from gatepass.jose import JoseError, Key, KeySet, jws, jwt
from gatepass.tokens import id_token
from gatepass.tokens.id_token import IdToken

NOW = 1_800_000_000
ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "usr_1",
    "aud": "cli_1",
    "exp": NOW + id_token.LIFETIME,
    "iat": NOW,
    "auth_time": NOW - 5,
    "jti": "t1",
}


def minted(**about_person: object) -> str:
    """A token of ours."""
    message = id_token.signing_input(IdToken(**CLAIMS), alg=KEY.alg, kid=KEY.kid or "", about_person=about_person)
    return jws.assemble(message, KEY.sign(message))


def hint(token: str, keys: Key | KeySet | None = None, client_id: str | None = "cli_1") -> IdToken:
    """Take it for a hint."""
    return id_token.check_hint(token, keys or KEY.public(), issuer=ISSUER, client_id=client_id)


def refusal(token: str, keys: Key | KeySet | None = None, client_id: str | None = "cli_1") -> str:
    """With which code it is refused."""
    with pytest.raises(JoseError) as caught:
        hint(token, keys, client_id)
    return caught.value.code


def test_the_header_and_the_claims_are_these_and_no_others() -> None:
    """What is not said is not written, neither as null nor as an empty list."""
    looked_at = jwt.peek(minted())
    assert looked_at.headers == {"alg": "ES256", "typ": "JWT", "kid": KEY.kid}
    assert looked_at.claims == CLAIMS


def test_nothing_about_a_person_stands_in_for_a_claim_of_the_token() -> None:
    """Whatever is kept of people, it changes neither who issued a token nor whom it is about; nor adds a nonce."""
    token = minted(email="ann@example.test", sub="usr_2", iss="https://evil.example", nonce="n", amr=["mfa"])
    assert jwt.peek(token).claims == CLAIMS | {"email": "ann@example.test"}


def test_no_client_could_have_signed_one() -> None:
    """A client's secret is a shared one; nothing is ever signed with it."""
    with pytest.raises(JoseError, match="key pair"):
        id_token.signing_input(IdToken(**CLAIMS), alg="HS256", kid="k")


@pytest.mark.parametrize(
    ("alg", "expected"),
    [
        # Core, appendix A.3 has this one; the others are by `openssl dgst`, halved.
        ("RS256", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("PS256", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("ES384", "jtAeDp945y1dDqU3nkIVGNZP1HjH_MFs"),
        ("ES512", "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"),
        ("Ed25519", "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"),
    ],
)
def test_at_hash_is_by_the_hash_of_the_algorithm(alg: str, expected: str) -> None:
    """§3.1.3.6, on the example of appendix A.3."""
    assert id_token.at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", alg) == expected


def test_an_expired_token_is_a_hint_all_the_same() -> None:
    """§3.1.2.1: it tells whom the request is about, and proves nothing."""
    assert hint(minted()).sub == "usr_1"
    assert hint(minted(), client_id=None).aud == "cli_1"


def test_what_is_no_hint() -> None:
    """Another's signature, another issuer, another client, another kind of token, or an answer of UserInfo."""
    other = Key.generate("ES256")
    assert refusal(minted(), other.public()) in ("unknown_key", "bad_signature")
    assert refusal(minted(), KeySet([other.public()])) == "unknown_key"
    assert refusal(minted(), client_id="cli_2") == "wrong_audience"
    assert refusal(jwt.sign(CLAIMS | {"iss": "https://evil.example"}, KEY)) == "wrong_issuer"
    for typ in ("at+jwt", "logout+jwt", None):
        assert refusal(jwt.sign(CLAIMS, KEY, typ=typ)) == "wrong_typ"
    answer = {"iss": ISSUER, "aud": "cli_1", "sub": "usr_1", "email": "ann@example.test"}
    assert refusal(jwt.sign(answer, KEY)) == "missing_claim"
    assert refusal(jwt.sign(CLAIMS | {"aud": ["cli_1", "cli_2"]}, KEY)) == "bad_claim"
    assert refusal("not a token") == "malformed"
