"""What a principal is asked, and how each refusal becomes an answer."""

from __future__ import annotations

import copy
import pickle
from types import MappingProxyType

import pytest

from gatepass.jose import JoseError
from gatepass.jose.errors import ExpiredError, InvalidKeyError, InvalidPolicyError
from gatepass.tokens.access_token import UnprovenCnfError
from gatepass.verify import Principal, challenge
from gatepass.verify.authorization import bearer_token
from gatepass.verify.errors import (
    InsufficientAuthenticationError,
    InsufficientScopeError,
    InvalidRequestError,
    IssuerUnavailableError,
    MissingTokenError,
)

ADA = Principal(
    subject="user_1",
    client_id="first-party",
    session_id=None,
    token_id="tok_1",
    scopes=frozenset({"read", "write"}),
    roles=frozenset({"admin"}),
    permissions=frozenset({"books:read", "books:write"}),
    expires_at=1900,
    auth_time=1000,
    acr="2",
    amr=("pwd",),
    claims=MappingProxyType({}),
)

ERRORS: list[JoseError] = [
    MissingTokenError("x"),
    InvalidRequestError("x"),
    InsufficientScopeError("x", scope="a b"),
    InsufficientAuthenticationError("x", acr_values="2", max_age=5),
    IssuerUnavailableError("x", retry_after=5),
    UnprovenCnfError("x"),
]


@pytest.mark.parametrize(
    "requirement",
    [
        {},
        {"scope": "read"},
        {"scope": "write read"},
        {"scope": "  read   write "},
        {"role": "admin"},
        {"permission": "books:write"},
        {"permission": "books:write books:read"},
        {"acr": "2"},
        {"acr": "1 2 3"},
        {"max_age": 100, "now": 1100.0},
        {"max_age": 0, "now": 1000.0},
        {"max_age": 0, "now": 999.0},
        {"scope": "read", "role": "admin", "acr": "2", "max_age": 100, "now": 1100.0},
    ],
)
def test_what_holds(requirement: dict[str, object]) -> None:
    """All scopes, the role, all permissions, one of the contexts, and a recent enough sign-in."""
    ADA.require(**requirement)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requirement", "code"),
    [
        ({"scope": "delete"}, "insufficient_scope"),
        ({"scope": "read delete"}, "insufficient_scope"),
        ({"scope": "READ"}, "insufficient_scope"),
        ({"permission": "books:delete"}, "insufficient_scope"),
        ({"permission": "books:write books:delete"}, "insufficient_scope"),
        ({"permission": "admin"}, "insufficient_scope"),  # a role is none
        ({"permission": "read"}, "insufficient_scope"),  # and neither is a scope
        ({"role": "adm"}, "insufficient_scope"),
        ({"role": "read"}, "insufficient_scope"),
        ({"acr": "3"}, "insufficient_user_authentication"),
        ({"acr": "22"}, "insufficient_user_authentication"),
        ({"max_age": 99, "now": 1100.0}, "insufficient_user_authentication"),
        ({"max_age": 10_000}, "insufficient_user_authentication"),  # by the system's clock it was long ago
        ({"scope": "delete", "acr": "3"}, "insufficient_scope"),
        ({"scope": ""}, "invalid_policy"),
        ({"role": ""}, "invalid_policy"),
        ({"permission": ""}, "invalid_policy"),
        ({"acr": "a\nb"}, "invalid_policy"),
        ({"max_age": -1}, "invalid_policy"),
    ],
)
def test_what_does_not_hold(requirement: dict[str, object], code: str) -> None:
    """Each refusal has its code; an empty requirement is a mistake and not a free pass."""
    with pytest.raises(JoseError) as caught:
        ADA.require(**requirement)  # type: ignore[arg-type]
    assert caught.value.code == code


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_errors_survive_copies_and_pickles(error: JoseError) -> None:
    """A refusal that crosses a process keeps its code, text and attributes."""
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (MissingTokenError("x"), 401, {"WWW-Authenticate": "Bearer"}),
        (
            ExpiredError("x", claim="exp"),
            401,
            {
                "WWW-Authenticate": 'Bearer error="invalid_token", '
                'error_description="the access token was refused: expired"'
            },
        ),
        (
            InsufficientScopeError("a scope is missing", scope="a b"),
            403,
            {
                "WWW-Authenticate": 'Bearer error="insufficient_scope", '
                'error_description="a scope is missing", scope="a b"'
            },
        ),
        (
            InsufficientAuthenticationError("sign in again", max_age=0),
            401,
            {
                "WWW-Authenticate": 'Bearer error="insufficient_user_authentication", '
                'error_description="sign in again", max_age="0"'
            },
        ),
        (IssuerUnavailableError("x", retry_after=7), 503, {"Retry-After": "7"}),
    ],
)
def test_each_refusal_has_its_answer(error: JoseError, status: int, headers: dict[str, str]) -> None:
    """Status and header are those of RFC 6750 §3.1 and RFC 9470 §3."""
    answer = challenge(error)
    assert (answer.status, answer.headers) == (status, headers)


@pytest.mark.parametrize("error", [InvalidPolicyError("x"), InvalidKeyError("x")])
def test_our_own_mistakes_are_no_answer(error: JoseError) -> None:
    """A misconfigured verifier must not look like a bad token."""
    with pytest.raises(type(error)):
        challenge(error)


def test_nothing_breaks_out_of_a_quoted_string() -> None:
    """Quotes and backslashes are escaped, line ends and what is not ASCII replaced (RFC 9110 §5.6.4)."""
    answer = challenge(InsufficientScopeError("x", scope='a"b\\c\r\nSet-Cookie: d=é'))
    assert answer.headers["WWW-Authenticate"].endswith(', scope="a\\"b\\\\c??Set-Cookie: d=?"')


def test_the_header_gives_up_one_token() -> None:
    """Exactly one header, one scheme, one word."""
    assert bearer_token(["Bearer abc"]) == "abc"
    for values in ([], ["Basic abc"], ["abc"], ["Bearer\tabc"]):
        with pytest.raises(MissingTokenError):
            bearer_token(values)
    for values in (["Bearer"], ["Bearer a b"], ["Bearer a", "Bearer a"], ["Bearer a", ""]):
        with pytest.raises(InvalidRequestError):
            bearer_token(values)
