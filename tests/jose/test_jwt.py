"""JSON Web Tokens against a policy (RFC 7519, RFC 8725bis)."""

# ruff: noqa: ANN401 - hostile arguments are of any type

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal

import msgspec
import pydantic
import pytest

from gatepass.jose import Key, KeySet, Limits, base64url, errors, jws, jwt

ALGORITHMS = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "ES256K", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
)  # fmt: skip
ISSUER = "https://auth.example.com"
CLAIMS: dict[str, Any] = {"iss": ISSUER, "aud": ["my-api", "other"], "sub": "u1", "exp": 2_000_000_000, "nbf": 1}
KEY = Key.from_secret(b"0123456789abcdef0123456789abcdef", "HS256")


def check(token: str | bytes, keys: Key | KeySet = KEY, **policy: Any) -> Any:
    """Verify with a policy that CLAIMS satisfies, unless told otherwise."""
    expected: dict[str, Any] = {"issuer": ISSUER, "audience": "my-api", "typ": "JWT", "now": 1_900_000_000}
    return jwt.verify(token, keys, **(expected | policy))


def signed(text: bytes, key: Key = KEY) -> str:
    """Sign a payload as it is."""
    return jws.sign(text, key, {"typ": "JWT"})


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_a_key_signs_it_verifies_alone_and_in_a_set(alg: str) -> None:
    """A signed token gives its claims back: to the key, its public part, and a set that holds it, twice each."""
    key = Key.generate(alg)
    token = jwt.sign(CLAIMS, key)
    for keys in (key, KeySet([key]), key if key.is_secret else key.public()):
        assert check(token, keys) == CLAIMS
        assert check(token.encode(), keys) == CLAIMS


@pytest.mark.parametrize(
    ("claims", "error", "claim"),
    [
        ({"exp": 1_900_000_000}, errors.ExpiredError, "exp"),
        ({"exp": 1_899_999_999.5}, errors.ExpiredError, "exp"),
        ({"nbf": 1_900_000_001}, errors.NotYetValidError, "nbf"),
        ({"iss": ISSUER + "/"}, errors.WrongIssuerError, "iss"),
        ({"iss": ISSUER[:-1]}, errors.WrongIssuerError, "iss"),
        ({"aud": "my-api-2"}, errors.WrongAudienceError, "aud"),
        ({"aud": "my"}, errors.WrongAudienceError, "aud"),
        ({"aud": []}, errors.WrongAudienceError, "aud"),
        ({"aud": ["my-api2", "My-Api"]}, errors.WrongAudienceError, "aud"),
    ],
)
def test_claims_that_do_not_satisfy_the_policy(
    claims: dict[str, Any], error: type[errors.ClaimError], claim: str
) -> None:
    """Each claim that misses the policy is its own error, which names the claim."""
    with pytest.raises(error) as caught:
        check(jwt.sign(CLAIMS | claims, KEY))
    assert caught.value.claim == claim


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "jti"])
def test_an_absent_claim_that_the_policy_needs(name: str) -> None:
    """Issuer, audience and whatever is required must be there."""
    claims = {other: value for other, value in CLAIMS.items() if other != name}
    with pytest.raises(errors.MissingClaimError) as caught:
        check(jwt.sign(claims, KEY), required=("exp", "jti") if name == "jti" else ("exp",))
    assert caught.value.claim == name


@pytest.mark.parametrize("value", ["1900000001", True, None, [1], {}, "x"])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_dates_of_another_type_are_refused(name: str, value: object) -> None:
    """A date that is not a number is bad, not absent and not converted (CVE-2026-25537)."""
    with pytest.raises(errors.BadClaimError) as caught:
        check(signed(msgspec.json.encode(CLAIMS | {name: value})), required=())
    assert caught.value.claim == name


@pytest.mark.parametrize("value", [1, True, None, ["u1"], {}])
@pytest.mark.parametrize("name", ["iss", "sub", "jti"])
def test_names_of_another_type_are_refused(name: str, value: object) -> None:
    """`iss`, `sub` and `jti` are strings, whether the policy asks for them or not."""
    with pytest.raises(errors.BadClaimError) as caught:
        check(signed(msgspec.json.encode(CLAIMS | {name: value})), issuer=None)
    assert caught.value.claim == name


@pytest.mark.parametrize("value", [1, True, None, {}, ["my-api", 1], [["my-api"]]])
def test_an_audience_of_another_type_is_refused(value: object) -> None:
    """`aud` is a string or a list of strings, whether the policy asks for it or not."""
    with pytest.raises(errors.BadClaimError) as caught:
        check(signed(msgspec.json.encode(CLAIMS | {"aud": value})), audience=None)
    assert caught.value.claim == "aud"


def test_leeway_moves_both_ends() -> None:
    """`leeway` forgives that many seconds at `exp` and at `nbf`, and no more."""
    late = jwt.sign(CLAIMS | {"exp": 1_899_999_991}, KEY)
    early = jwt.sign(CLAIMS | {"nbf": 1_900_000_010}, KEY)
    assert check(late, leeway=10)
    assert check(early, leeway=10)
    with pytest.raises(errors.ExpiredError):
        check(late, leeway=9)
    with pytest.raises(errors.NotYetValidError):
        check(early, leeway=9)


def test_now_is_the_present_unless_told() -> None:
    """Without `now`, the system's clock judges."""
    with pytest.raises(errors.ExpiredError):
        check(jwt.sign(CLAIMS | {"exp": 1_500_000_000}, KEY), now=None)
    assert check(jwt.sign(CLAIMS | {"exp": 1_500_000_000}, KEY), now=datetime(2017, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "policy",
    [
        {"issuer": 5},
        {"audience": ()},
        {"audience": []},
        {"audience": [1]},
        {"audience": 5},
        {"typ": 5},
        {"required": "nonce"},
        {"required": 5},
        {"now": datetime(2017, 1, 1)},  # noqa: DTZ001 - the point
        {"now": "today"},
        {"now": float("nan")},
        {"now": 10**400},
        {"leeway": 10**400},
        {"leeway": -1},
        {"leeway": float("inf")},
        {"leeway": "10"},
        {"into": 5},
        {"limits": None},
    ],
)
def test_a_policy_that_makes_no_sense_is_an_error(policy: dict[str, Any]) -> None:
    """A mistake in the caller's arguments never passes for a token that is good."""
    with pytest.raises(errors.InvalidPolicyError):
        check(jwt.sign(CLAIMS, KEY), **policy)


def test_several_audiences_of_which_one_is_enough() -> None:
    """The API may go by several names, and the token may be for several APIs."""
    assert check(jwt.sign(CLAIMS, KEY), audience=("x", "other"))
    assert check(jwt.sign(CLAIMS | {"aud": "x"}, KEY), audience={"x", "other"})
    with pytest.raises(errors.WrongAudienceError):
        check(jwt.sign(CLAIMS, KEY), audience=("x", "y"))


@pytest.mark.parametrize("written", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
@pytest.mark.parametrize("expected", ["at+jwt", "application/AT+JWT"])
def test_typ_is_a_media_type(written: str, expected: str) -> None:
    """RFC 8725bis §3.11: without "/" it is short for application/, and case does not matter."""
    assert check(jwt.sign(CLAIMS, KEY, typ=written), typ=expected)


@pytest.mark.parametrize("written", ["JWT", "x/at+jwt", "at+jwt;x=1", "", None])
def test_another_typ_is_another_kind_of_token(written: str | None) -> None:
    """A token of another kind, or of none, is refused although its signature is good."""
    with pytest.raises(errors.WrongTypError):
        check(jwt.sign(CLAIMS, KEY, typ=written), typ="at+jwt")


def test_none_says_any_aloud() -> None:
    """With issuer, audience and typ None, a token of anyone for anyone passes: the caller said so."""
    token = jwt.sign({"exp": 2_000_000_000}, KEY, typ=None)
    assert check(token, issuer=None, audience=None, typ=None) == {"exp": 2_000_000_000}


def test_the_policy_has_no_defaults_where_a_default_would_be_a_hole() -> None:
    """Leaving out issuer, audience or typ is an error of the call itself."""
    verify: Any = jwt.verify
    for name in ("issuer", "audience", "typ"):
        policy = {"issuer": None, "audience": None, "typ": None}
        del policy[name]
        with pytest.raises(TypeError, match=name):
            verify(jwt.sign(CLAIMS, KEY), KEY, **policy)


def test_a_bad_signature_is_said_before_an_expired_claim() -> None:
    """The order is signature, typ, claims: "expired" never hides "forged" (CVE-2024-51744)."""
    other = Key.from_secret(bytes(32), "HS256")
    token = jwt.sign(CLAIMS | {"exp": 1}, other, typ="x")
    with pytest.raises(errors.BadSignatureError):
        check(token)
    with pytest.raises(errors.WrongTypError):
        check(token, other)


class TupleLike(msgspec.Struct, array_like=True):
    """A Struct without names."""


class Session(msgspec.Struct):
    """Claims of one kind of token."""

    sub: str
    exp: int
    sid: str | None = None


def test_into_gives_typed_claims() -> None:
    """`into` names the type of the answer; what does not fit it is a bad claim, named."""
    assert check(jwt.sign(CLAIMS, KEY), into=Session) == Session("u1", 2_000_000_000)
    with pytest.raises(errors.BadClaimError) as caught:
        check(jwt.sign(CLAIMS | {"sid": 5}, KEY), into=Session)
    assert caught.value.claim == "sid"


def test_a_struct_signs_like_a_mapping() -> None:
    """Claims may be a Struct: names as it encodes them, unset ones left out."""
    token = jwt.sign(Session("u1", 2_000_000_000), KEY)
    assert check(token, issuer=None, audience=None) == {"sub": "u1", "exp": 2_000_000_000, "sid": None}


class Renamed(msgspec.Struct, omit_defaults=True, rename={"expires": "exp"}):
    """Claims whose names and defaults are written in their own way."""

    sub: str
    expires: datetime
    nonce: str | None = None


def test_a_struct_is_written_as_it_says() -> None:
    """Renamed fields, omitted defaults and datetimes are what msgspec and RFC 7519 make of them."""
    token = jwt.sign(Renamed("u1", datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC)), KEY)
    assert check(token, issuer=None, audience=None) == {"sub": "u1", "exp": 2_000_000_000}


def test_an_empty_audience_matches_no_token() -> None:
    """A policy that names no audience is a mistake, also for a token that names none."""
    with pytest.raises(errors.InvalidPolicyError):
        check(jwt.sign(CLAIMS | {"aud": []}, KEY), audience=[])


def test_datetimes_become_numeric_dates() -> None:
    """RFC 7519 §2: seconds since 1970, whole where they are whole; a datetime without a zone is no moment."""
    token = jwt.sign(
        CLAIMS
        | {
            "exp": datetime(2033, 5, 18, 3, 33, 20, tzinfo=UTC),
            "auth_time": datetime(2020, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC),
        },
        KEY,
    )
    claims = check(token)
    assert claims["exp"] == 2_000_000_000
    assert isinstance(claims["exp"], int)
    assert claims["auth_time"] == 1_577_836_800.5
    with pytest.raises(errors.BadClaimError):
        jwt.sign(CLAIMS | {"exp": datetime(2033, 5, 18)}, KEY)  # noqa: DTZ001 - the point


@pytest.mark.parametrize("exp", [2_000_000_000, 2_000_000_000.5])
@pytest.mark.parametrize("name", ["exp", "auth_time", "updated_at"])
def test_decimal_dates_are_numbers(name: str, exp: float) -> None:
    """A Decimal, as databases give it for a number, is a number in a date: text would be no NumericDate."""
    assert check(jwt.sign(CLAIMS | {name: Decimal(str(exp))}, KEY))[name] == exp


@pytest.mark.parametrize(
    "value",
    [
        Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1E+400"), 10**17, 10**400, -(10**17), 1e300,
    ],
)  # fmt: skip
def test_dates_that_are_no_moment_are_not_signed(value: object) -> None:
    """What our own reader would refuse as a date is not written."""
    with pytest.raises(errors.BadClaimError):
        jwt.sign(CLAIMS | {"exp": value}, KEY)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["9007199254740993", "-9007199254740993", "1" + "0" * 300, "1e300"])
def test_dates_that_are_no_moment_are_bad_claims(name: str, value: str) -> None:
    """A date beyond the integers that everybody can hold is refused, so that nobody calculates with it."""
    payload = b'{"iss":"%s","aud":"my-api","exp":2000000000,"x":[{"y":1}]}' % ISSUER.encode()
    payload = (
        payload.replace(b'"exp":2000000000', f'"exp":2000000000,"{name}":{value}'.encode())
        if name != "exp"
        else (payload.replace(b"2000000000", value.encode()))
    )
    with pytest.raises(errors.BadClaimError):
        check(signed(payload))


@pytest.mark.parametrize("leeway", [0, 0.5])
@pytest.mark.parametrize("name", ["exp", "auth_time", "x"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_that_no_double_holds_are_malformed(name: str, sign: str, leeway: float) -> None:
    """RFC 8259 §6: an integer of 400 digits, anywhere, would make the first sum with a fraction overflow."""
    for value in (f"{sign}1{'0' * 400}", f'[{{"y":{sign}{"9" * 309}}}]'):
        payload = f'{{"iss":"{ISSUER}","aud":"my-api","{name}":{value}}}'.encode()
        with pytest.raises(errors.MalformedError):
            check(signed(payload), required=(), leeway=leeway)


def test_large_integers_that_a_double_holds_are_read() -> None:
    """An identifier of 64 bits or more is exact."""
    for number in (2**63, 2**64 + 1, 10**300, -(2**63) - 1):
        assert check(jwt.sign(CLAIMS | {"id": number}, KEY))["id"] == number


def test_a_nan_inside_of_anything() -> None:
    """A NaN is found in sets, dataclasses and Structs as well, and null or the text null is none."""

    @dataclass
    class Point:
        x: float

    for holder in ({float("nan")}, Point(float("nan")), [None, (1.0, float("inf"))], Flexible(float("nan"))):
        with pytest.raises(errors.InvalidPolicyError):
            jwt.sign(CLAIMS | {"x": holder}, KEY)
        with pytest.raises(errors.InvalidPolicyError):
            jwt.sign(CLAIMS, KEY, headers={"x": holder})
    fine = {"x": None, "y": "null", "z": [None, {"null": 1.5}], "s": {1.5}}
    assert check(jwt.sign(CLAIMS | fine, KEY)) == CLAIMS | fine | {"s": [1.5]}


class Flexible(msgspec.Struct):
    """Something with a number inside."""

    x: float


def test_names_that_are_no_text() -> None:
    """Half a surrogate in a name, of a claim or a header, is an error of ours."""
    for claims in (CLAIMS | {"\ud800": 1}, {"\ud800": 1}, CLAIMS | {"x": {"\udfff": 1}}):
        with pytest.raises(errors.InvalidPolicyError):
            jwt.sign(claims, KEY)
    for headers in ({"\ud800": "x"}, {"x": "\ud800"}, {"kid": "\ud800"}):
        with pytest.raises(errors.InvalidPolicyError):
            jwt.sign(CLAIMS, KEY, headers=headers)


class Model(pydantic.BaseModel):
    """Claims as pydantic writes them."""

    sub: str


class Nested(msgspec.Struct):
    """Claims with something of pydantic's inside."""

    sub: str
    profile: Model | None = None


@pytest.mark.parametrize("into", [Model, Nested, type("Plain", (), {})])
def test_a_type_that_msgspec_cannot_fill_is_named(into: Any) -> None:
    """A model of pydantic is no fault of the token: the error is about the argument, and says what to do."""
    with pytest.raises(errors.InvalidPolicyError) as caught:
        check(jwt.sign(CLAIMS | {"profile": {"sub": "x"}}, KEY), into=into)
    assert into is not Model or "Model.model_validate(claims)" in str(caught.value)


def test_a_remembered_header_is_the_one_that_was_asked_for() -> None:
    """Headers of plain text are encoded once for each key, `typ` and text, and never mixed up."""
    seen = set()
    for _ in range(2):
        for typ in ("JWT", "at+jwt", None):
            for headers in (None, {}, {"kid": "a"}, {"kid": "b"}, {"x": "1"}, {"x": 1}, {"x": True}, {"typ": "x"}):
                token = jwt.sign(CLAIMS, KEY, typ, headers)
                expected = ({} if typ is None else {"typ": typ}) | {"alg": "HS256"} | (headers or {})
                found = jwt.peek(token).headers
                assert (found, [type(value) for value in found.values()]) == (
                    expected,
                    [type(expected[name]) for name in found],
                )
                seen.add(token)
    assert len(seen) == 3 * 6 + 1
    for number in range(100):
        assert jwt.peek(jwt.sign(CLAIMS, KEY, headers={"kid": str(number)})).headers["kid"] == str(number)


@pytest.mark.parametrize(
    "claims",
    [{"exp": "soon"}, {"exp": True}, {"iss": 5}, {"aud": [1]}],
)
def test_sign_refuses_claims_that_no_verifier_would_take(claims: dict[str, Any]) -> None:
    """What verify calls a bad claim, sign does too."""
    with pytest.raises(errors.BadClaimError):
        jwt.sign(claims, KEY)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": float("inf")},
        {"x": float("nan")},
        {"x": [{"y": (1, float("-inf"))}]},
        {"x": object()},
        {"x": "\ud800"},
        {object(): 1},
        5,
        "text",
        TupleLike(),
    ],
)
def test_sign_refuses_what_is_not_json(claims: Any) -> None:
    """NaN, infinities, lone surrogates and Python objects have no JSON, at any depth."""
    with pytest.raises(errors.JoseError):
        jwt.sign(claims, KEY)


@pytest.mark.parametrize("typ", [5, [], b"JWT", object()])
def test_sign_refuses_a_typ_that_is_no_string(typ: Any) -> None:
    """A header that no verifier would read is not written."""
    with pytest.raises(errors.InvalidPolicyError):
        jwt.sign(CLAIMS, KEY, typ=typ)


def test_sign_refuses_a_loop() -> None:
    """A value that holds itself is an error of ours, not RecursionError."""
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(errors.InvalidPolicyError):
        jwt.sign({"x": loop}, KEY)


def test_peek_shows_and_does_not_judge() -> None:
    """`peek` reads an expired token of anyone; its answer is called Unverified."""
    token = jwt.sign(CLAIMS | {"exp": 1}, Key.generate("ES256"), typ="at+jwt")
    seen = jwt.peek(token)
    assert type(seen).__name__ == "Unverified"
    assert seen.headers["typ"] == "at+jwt"
    assert seen.claims["exp"] == 1


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"x"', b"5", b"{", b"{}x", b"\xef\xbb\xbf{}"])
def test_claims_that_are_no_json_object(payload: bytes) -> None:
    """RFC 7519 §7.2 step 10: the claims set is one JSON object."""
    with pytest.raises(errors.MalformedError):
        check(signed(payload))


def test_limits_can_be_raised_by_name() -> None:
    """A token over a limit is refused with its own code, and `Limits` raises the limit."""
    token = jwt.sign(CLAIMS | {"x": "y" * 300_000}, KEY)
    with pytest.raises(errors.TokenTooLongError):
        check(token)
    assert check(token, limits=Limits(token_length=1_000_000))


def test_nothing_is_remembered_from_a_bad_signature() -> None:
    """A header is kept for recognition only after its signature was good: an attacker cannot fill the memory."""
    key = Key.from_secret(bytes(32), "HS256")
    for number in range(100):
        header = base64url.encode(msgspec.json.encode({"alg": "HS256", "x": number}))
        with pytest.raises(errors.BadSignatureError):
            check(f"{header}.e30.{base64url.encode(bytes(32))}", key)
    assert not key.known_headers


def test_the_memory_of_headers_is_bounded() -> None:
    """However many headers a key signs or sees, what it keeps of them stays small."""
    key = Key.from_secret(bytes(32), "HS256")
    for number in range(1000):
        check(jwt.sign(CLAIMS, key, typ=f"x{number}"), key, typ=None)
    assert len(key.known_headers) <= 32
    assert len(key.encoded_headers) <= 32


def test_changing_an_answer_changes_nothing_else() -> None:
    """Headers and claims belong to the caller: writing to them does not reach the next verification."""
    token = jws.sign(b"x", KEY)
    first = jws.verify(token, KEY)
    first.headers["alg"] = "none"
    assert jws.verify(token, KEY).headers["alg"] == "HS256"


def test_any_mapping_can_be_signed() -> None:
    """Claims need not be a dict."""
    assert check(jwt.sign(MappingProxyType(CLAIMS), KEY)) == CLAIMS


def test_a_struct_that_cannot_be_written() -> None:
    """What msgspec cannot write is an error of ours."""
    with pytest.raises(errors.InvalidPolicyError):
        jwt.sign(Anything(object()), KEY)


class Anything(msgspec.Struct):
    """A claim of any type."""

    value: object


def test_limits_have_a_floor() -> None:
    """Below three levels nothing could be read."""
    with pytest.raises(errors.InvalidPolicyError):
        Limits(depth=2)


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Claims of which none is left out and none added."""

    sub: str
    kind: Literal["a", "b"]
    nested: dict[str, int] = {}


@pytest.mark.parametrize(
    ("claims", "claim"),
    [
        ({"sub": "u1"}, "kind"),
        ({"sub": "u1", "kind": "at `$.secret`"}, "kind"),
        ({"sub": "u1", "kind": "a", "nested": {"x": "y"}}, "nested"),
        ({"sub": "u1", "kind": "a", "at `$.secret`": 1}, ""),
        ({"sub": "u1", "kind": "a", "x - at `$.secret": 1}, ""),
    ],
)
def test_the_claim_that_does_not_fit_is_named_and_nothing_else(claims: dict[str, Any], claim: str) -> None:
    """`claim` names the claim, also a missing one; no text of the token gets into it."""
    token = jwt.sign(claims, KEY)
    with pytest.raises(errors.BadClaimError) as caught:
        check(token, issuer=None, audience=None, required=(), into=Strict)
    assert caught.value.claim == claim
    assert "secret" not in str(caught.value)
