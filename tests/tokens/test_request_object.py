"""Request objects (RFC 9101): what is one, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from gatepass.jose import Key, jws, jwt
from gatepass.jose.errors import JoseError
from gatepass.tokens import request_object

ISSUER, CLIENT, NOW = "https://id.example.test", "cli_1", 1_800_000_000
KEY = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": CLIENT,
    "aud": ISSUER,
    "exp": NOW + 300,
    "nbf": NOW,
    "client_id": CLIENT,
    "response_type": "code",
}


def check(token: str) -> request_object.RequestObject:
    """Check one as the server would."""
    return request_object.check(token, KEY, issuer=ISSUER, client_id=CLIENT, now=NOW)


def signed(typ: str | None = request_object.TYP, **changes: Any) -> str:  # noqa: ANN401 - claims
    """One with these claims; None leaves one out."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not None}
    return jwt.sign(claims, KEY, typ)


@pytest.mark.parametrize("typ", [request_object.TYP, f"application/{request_object.TYP}", "JWT", "jwt", None])
def test_the_kinds_of_header(typ: str | None) -> None:
    """RFC 9101 §10.8: the `typ` of its own, or what was written before there was one."""
    assert ("response_type", "code") in check(signed(typ)).parameters


def test_what_the_parameters_are() -> None:
    """§4: texts, numbers and JSON become what would stand in a form; claims about the object are no parameters."""
    told = check(
        signed(max_age=30, claims={"id_token": {"acr": None}}, resource=["https://a.test", "https://b.test"], jti="1")
    )
    assert dict(told.parameters) == {
        "client_id": CLIENT,
        "response_type": "code",
        "max_age": "30",
        "claims": '{"id_token":{"acr":null}}',
        "resource": "https://b.test",
    }
    assert [value for name, value in told.parameters if name == "resource"] == ["https://a.test", "https://b.test"]
    assert (told.jti, told.is_dated) == ("1", True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "cli_2"}, "wrong_issuer"),
        ({"iss": None}, "missing_claim"),
        ({"aud": "https://other.example.test"}, "wrong_audience"),
        ({"aud": None}, "missing_claim"),
        ({"client_id": "cli_2"}, "bad_claim"),
        ({"client_id": None}, "missing_claim"),
        ({"sub": CLIENT}, "bad_claim"),
        ({"exp": None}, "missing_claim"),
        ({"exp": NOW - 11}, "expired"),
        ({"exp": NOW + 3_620}, "bad_claim"),
        ({"nbf": NOW - 3_601}, "expired"),
        ({"nbf": NOW + 11}, "not_yet_valid"),
        ({"request": "e30"}, "bad_claim"),
        ({"request_uri": "urn:x"}, "bad_claim"),
        ({"resource": ["https://a.test", 1]}, "bad_claim"),
        ({"typ": "at+jwt"}, "wrong_typ"),
        ({"typ": "dpop+jwt"}, "wrong_typ"),
        ({"state": "x" * 8_192}, "token_too_long"),
    ],
)
def test_what_is_none(changes: dict[str, Any], code: str) -> None:
    """Every rule by itself: whose, for whom, how old, how long, of which kind, and nothing inside."""
    with pytest.raises(JoseError) as refused:
        check(signed(**changes))
    assert refused.value.code == code


@pytest.mark.parametrize("changes", [{"exp": NOW + 3_600}, {"nbf": NOW - 3_600}, {"nbf": NOW + 8}, {"aud": [ISSUER]}])
def test_what_just_passes(changes: dict[str, Any]) -> None:
    """FAPI 2.0 §5.3.2.1: clocks differ by some seconds; an hour is an hour."""
    check(signed(**changes))


def test_another_key_and_none() -> None:
    """The signature is the client's own, and there is one."""
    with pytest.raises(JoseError):
        check(jwt.sign(CLAIMS, Key.generate("ES256"), request_object.TYP))
    with pytest.raises(JoseError):
        check(jws.sign(b"{}", Key.generate("HS256")))
