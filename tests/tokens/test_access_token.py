"""Access tokens (RFC 9068): each refusal by its code, and what a minted one looks like."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gatepass.jose import JoseError, Key, jws, jwt
from gatepass.tokens import access_token
from gatepass.tokens.access_token import AccessToken

NOW = 1_800_000_000
ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user_1",
    "aud": "my-api",
    "exp": NOW + 900,
    "iat": NOW,
    "jti": "tok_1",
    "client_id": "first-party",
}


def signed(typ: str | None = "at+jwt", **changes: object) -> str:
    """A token of ours with some claims changed; None takes a claim away."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.sign(claims, KEY, typ=typ)


def check(token: str, *, now: float = NOW, leeway: float = 0) -> access_token.Checked[AccessToken]:
    """Check a token as our API would."""
    return access_token.check(token, KEY.public(), issuer=ISSUER, audience="my-api", now=now, leeway=leeway)


def check_other(token: str, typ: str | None = None) -> access_token.Checked[access_token.OtherAccessToken]:
    """Check a token of an issuer that does not follow RFC 9068."""
    return access_token.check_other(token, KEY.public(), issuer=ISSUER, audience="my-api", typ=typ, now=NOW)


def refusal(token: str, *, now: float = NOW) -> str:
    """Say with which code a token is refused."""
    with pytest.raises(JoseError) as caught:
        check(token, now=now)
    return caught.value.code


def test_a_minted_token_is_what_the_check_reads() -> None:
    """What `signing_input` puts in, signed elsewhere and assembled, comes out of `check` unchanged."""
    claims = AccessToken(**CLAIMS, sid="s_1", scope="a b", roles=("admin",), auth_time=NOW - 5, acr="2", amr=("pwd",))
    message = access_token.signing_input(claims, alg=KEY.alg, kid=KEY.kid or "")
    assert check(jws.assemble(message, KEY.sign(message))).claims == claims


def test_the_header_is_exactly_alg_typ_and_kid() -> None:
    """The header says the algorithm, the kind of token and the key's name, and nothing else (RFC 9068 §2.1)."""
    message = access_token.signing_input(AccessToken(**CLAIMS), alg="ES256", kid="k1")
    assert jwt.peek(jws.assemble(message, b"\0" * 64)).headers == {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}


def test_claims_that_are_not_set_are_not_written() -> None:
    """A token holds only what it says: no null, no empty list."""
    assert msgspec.json.decode(msgspec.json.encode(AccessToken(**CLAIMS))) == CLAIMS


@pytest.mark.parametrize("lifetime", [0, -1, access_token.MAX_LIFETIME + 1])
def test_a_token_lives_between_a_second_and_an_hour(lifetime: int) -> None:
    """Minting refuses a life that revocation could not cover."""
    claims = AccessToken(**CLAIMS | {"exp": NOW + lifetime})
    with pytest.raises(JoseError) as caught:
        access_token.signing_input(claims, alg="ES256", kid="k1")
    assert caught.value.code == "invalid_policy"


def test_unknown_claims_are_kept() -> None:
    """The whole claims set stays available beside the typed one."""
    assert check(signed(tenant={"id": 7})).every["tenant"] == {"id": 7}


@pytest.mark.parametrize("name", access_token.REQUIRED)
def test_every_claim_of_rfc_9068_is_required(name: str) -> None:
    """A token without one of the claims of RFC 9068 §2.2 is refused."""
    assert refusal(signed(**{name: None})) == "missing_claim"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", ""),
        ("sub", 7),
        ("client_id", ""),
        ("client_id", ["first-party"]),
        ("exp", "tomorrow"),
        ("exp", 10**20),
        ("auth_time", 10**20),
        ("auth_time", "yesterday"),
        ("auth_time", True),
        ("scope", ["a", "b"]),
        ("roles", "admin"),
        ("roles", ["admin", 7]),
        ("amr", "pwd"),
        ("acr", 2),
        ("sid", 7),
        ("status", "revoked"),
    ],
)
def test_a_claim_of_the_wrong_type_is_refused_not_ignored(claim: str, value: object) -> None:
    """A claim of another type than its definition counts as an error, never as absent; the error names it."""
    payload = msgspec.json.encode(CLAIMS | {claim: value})
    token = jws.sign(payload, KEY, headers={"typ": "at+jwt"})
    with pytest.raises(JoseError) as caught:
        check(token)
    assert caught.value.code == "bad_claim"
    assert getattr(caught.value, "claim", None) == claim


def test_dates_may_have_a_fraction() -> None:
    """RFC 7519 §2: a NumericDate counts parts of a second, too, as `jwt.sign` writes a datetime with microseconds."""
    moment = datetime.fromtimestamp(NOW + 60.25, UTC)
    token = jwt.sign(CLAIMS | {"exp": moment, "auth_time": moment, "iat": Decimal(NOW)}, KEY, typ="at+jwt")
    claims = check(token).claims
    assert (claims.exp, claims.auth_time, claims.iat) == (NOW + 60.25, NOW + 60.25, NOW)


@pytest.mark.parametrize("cnf", [{"jkt": "x"}, {}, "x"])
def test_a_bound_token_is_no_bearer_token(cnf: object) -> None:
    """A token with `cnf` is refused as long as nothing proves the key that it names (RFC 7800 §3.1)."""
    assert refusal(signed(cnf=cnf)) == "unproven_cnf"


def test_a_cnf_of_null_is_refused_too() -> None:
    """The name alone is enough: no value of `cnf` means "not bound"."""
    token = jws.sign(msgspec.json.encode(CLAIMS | {"cnf": None}), KEY, headers={"typ": "at+jwt"})
    assert refusal(token) == "unproven_cnf"


def test_an_iat_more_than_a_minute_ahead_is_refused() -> None:
    """Sixty seconds of difference between clocks pass; one more does not."""
    assert check(signed(iat=NOW + 60)).claims.iat == NOW + 60
    assert refusal(signed(iat=NOW + 61)) == "issued_in_future"


def test_the_end_is_exact() -> None:
    """At `exp` a token is over (RFC 7519 §4.1.4: "on or after")."""
    assert check(signed(), now=NOW + 899.9).claims.sub == "user_1"
    assert refusal(signed(), now=NOW + 900) == "expired"


def test_leeway_moves_the_end() -> None:
    """`leeway` allows for an issuer whose clock differs."""
    assert check(signed(), now=NOW + 904, leeway=5).claims.sub == "user_1"


@pytest.mark.parametrize("typ", ["JWT", "id+jwt", "logout+jwt", "statuslist+jwt", "dpop+jwt", None])
def test_other_kinds_of_token_are_refused(typ: str | None) -> None:
    """ID, logout, status-list and proof tokens are no access tokens (RFC 8725bis §3.12)."""
    assert refusal(signed(typ)) == "wrong_typ"


@pytest.mark.parametrize("audience", ["my-api-2", "my", "", ["other"], []])
def test_the_audience_is_matched_whole(audience: object) -> None:
    """No prefix, no substring, and an empty list names nobody."""
    token = jws.sign(msgspec.json.encode(CLAIMS | {"aud": audience}), KEY, headers={"typ": "at+jwt"})
    assert refusal(token) == "wrong_audience"


def test_one_of_several_audiences_is_enough() -> None:
    """`aud` may be a list that names us among others (RFC 7519 §4.1.3)."""
    assert check(signed(aud=["other", "my-api"])).claims.aud == ("other", "my-api")


# ── issuers that do not follow RFC 9068 ─────────────────────────────────────────────────────────────────────────────


def test_a_plain_token_of_another_issuer_is_read() -> None:
    """`azp`, `scp` and fractions of seconds are what other issuers write."""
    token = signed("JWT", client_id=None, jti=None, azp="spa", scp=["read", "write"], exp=NOW + 0.5)
    claims = check_other(token).claims
    assert (claims.azp, claims.scp, claims.exp) == ("spa", ("read", "write"), NOW + 0.5)


@pytest.mark.parametrize("name", ["iss", "exp", "sub", "aud"])
def test_another_issuer_still_says_who_whom_and_how_long(name: str) -> None:
    """Without these no token is accepted, from whichever issuer."""
    with pytest.raises(JoseError) as caught:
        check_other(signed("JWT", **{name: None}))
    assert caught.value.code == "missing_claim"


@pytest.mark.parametrize("name", ["events", "at_hash", "c_hash"])
def test_id_tokens_and_security_events_of_another_issuer_are_refused(name: str) -> None:
    """Where `typ` does not tell, the claims that only other kinds of token have do (RFC 8725bis §3.12)."""
    with pytest.raises(JoseError) as caught:
        check_other(signed("JWT", **{name: "x"}))
    assert caught.value.code == "wrong_typ"


def test_another_issuers_typ_can_be_demanded() -> None:
    """A `typ` that is named must be there."""
    assert check_other(signed("JWT"), typ="JWT").claims.sub == "user_1"
    with pytest.raises(JoseError) as caught:
        check_other(signed(None), typ="JWT")
    assert caught.value.code == "wrong_typ"


def test_another_issuers_bound_token_is_no_bearer_token_either() -> None:
    """`cnf` and an `iat` in the future are refused whoever issued the token."""
    for changes, code in (({"cnf": {"jkt": "x"}}, "unproven_cnf"), ({"iat": NOW + 61}, "issued_in_future")):
        with pytest.raises(JoseError) as caught:
            check_other(signed("JWT", **changes))
        assert caught.value.code == code


def test_a_refusal_shows_no_token_and_no_claim() -> None:
    """The text of a refusal holds neither the token nor what is in it."""
    token = signed(roles="top-secret-role")
    with pytest.raises(JoseError) as caught:
        check(token)
    assert "top-secret-role" not in repr(caught.value)
    assert token not in repr(caught.value)
