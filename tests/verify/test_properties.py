"""For any input: a principal, or a `JoseError`. For any answer of an issuer: its keys, or a `FetchError`."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, KeySet, base64url, jws
from gatepass.verify import Fetched, FetchError, Verifier, challenge
from gatepass.verify.authorization import bearer_token
from gatepass.verify.errors import InsufficientScopeError, InvalidRequestError, MissingTokenError
from gatepass.verify.issuer import MAX_FRESH_SECONDS, MIN_FRESH_SECONDS, IssuerKeys, fresh_seconds

URL = "https://auth.example.com"
KEY = Key.generate("HS256")
CLAIMS: dict[str, Any] = {
    "iss": URL,
    "sub": "user_1",
    "aud": "my-api",
    "exp": int(NOW) + 900,
    "iat": int(NOW),
    "jti": "tok_1",
    "client_id": "first-party",
}
STRICT = Verifier(issuer=URL, audience="my-api", keys=KEY, clock=Clock())
LENIENT = Verifier(issuer=URL, audience="my-api", keys=KEY, typ=None, clock=Clock())


def _unreachable(_: str) -> Fetched:
    raise FetchError("down")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [*CLAIMS, "scope", "scp", "azp", "roles", "auth_time", "acr", "amr", "cnf", "sid", "status", "nbf"]
)


@given(
    token=st.text() | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}", fullmatch=True)
)
def test_any_text(token: str) -> None:
    """Text that nobody signed is refused, with and without keys, and never with another exception."""
    online = Verifier(issuer=URL, audience="my-api", fetch=_unreachable, clock=Clock())
    for verifier in (STRICT, LENIENT, online):
        try:
            verifier.verify(token)
        except JoseError:
            continue
        raise AssertionError(token)


@given(changes=st.dictionaries(NAMES, JSON, max_size=4), without=st.sets(NAMES, max_size=2))
def test_any_signed_claims(changes: dict[str, object], without: set[str]) -> None:
    """Whatever an issuer signs ends in a principal that is whole, or in a refusal."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if name not in without}
    token = jws.sign(msgspec.json.encode(claims), KEY, headers={"typ": "at+jwt"})
    for verifier in (STRICT, LENIENT):
        try:
            principal = verifier.verify(token)
        except JoseError:
            continue
        assert principal.subject == claims["sub"]
        assert all(isinstance(word, str) for word in (*principal.scopes, *principal.roles, *principal.amr))
        assert principal.expires_at > NOW
        assert "cnf" not in claims
        hash(principal)


@given(token=st.binary(max_size=60), place=st.integers(0, 2))
def test_a_changed_token_is_refused(token: bytes, place: int) -> None:
    """Any other octets in place of header, payload or signature."""
    good = jws.sign(msgspec.json.encode(CLAIMS), KEY, headers={"typ": "at+jwt"})
    parts = good.split(".")
    other = base64url.encode(token)
    if other == parts[place]:
        return
    parts[place] = other
    try:
        STRICT.verify(".".join(parts))
    except JoseError:
        return
    raise AssertionError(parts)


@given(
    status=st.sampled_from([200, 200, 204, 301, 404, 500]),
    body=st.binary()
    | JSON.map(msgspec.json.encode)
    | st.builds(lambda keys: msgspec.json.encode({"keys": keys}), JSON),
    headers=st.dictionaries(st.sampled_from(["cache-control", "age"]), st.text(max_size=30)),
)
def test_any_answer_of_an_issuer(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Metadata and key sets of any shape are read or refused, and nothing else."""
    for issuer in (IssuerKeys(URL), IssuerKeys(URL, jwks_url=URL + "/jwks")):
        flow = issuer.refresh(NOW)
        next(flow)
        try:
            for _ in range(3):
                flow.send(Fetched(status, headers, body))
        except FetchError:
            pass
        except StopIteration as stop:
            assert isinstance(stop.value.keys, KeySet)  # noqa: PT017 - a generator returns by raising


@given(
    value=st.text(max_size=40) | st.from_regex(r"(public|max-age=\d+|no-cache|s-maxage=\d+)(, max-age=\w*)?"),
    age=st.text(max_size=12),
)
def test_keys_are_never_fresh_for_too_long_or_too_short(value: str, age: str) -> None:
    """Whatever the headers say, the term stays between the clamps."""
    assert MIN_FRESH_SECONDS <= fresh_seconds({"cache-control": value, "age": age}) <= MAX_FRESH_SECONDS


@given(
    values=st.lists(st.text(max_size=20) | st.sampled_from(["Bearer x", "bearer  x ", "Bearer", "Basic x"]), max_size=3)
)
def test_any_authorization_header(values: list[str]) -> None:
    """One word comes out, or a refusal."""
    try:
        token = bearer_token(values)
    except (MissingTokenError, InvalidRequestError):
        return
    assert token
    assert " " not in token


@given(scope=st.text(max_size=30))
def test_any_text_in_a_challenge(scope: str) -> None:
    """The header stays one header: a scheme and quoted strings of printable ASCII (RFC 9110 §11.2)."""
    header = challenge(InsufficientScopeError("x", scope=scope)).headers["WWW-Authenticate"]
    quoted = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
    assert re.fullmatch(rf"Bearer \w+={quoted}(?:, \w+={quoted})*", header)
