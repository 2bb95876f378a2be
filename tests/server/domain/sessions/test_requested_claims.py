"""The parameter `claims` and the scopes (OpenID Connect Core §5.4, §5.5): what is asked for, and what is told."""

from __future__ import annotations

import pytest
from tests.support.server import NOON

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.sessions.requested_claims import (
    CLAIMS_OF_SCOPES,
    KEPT_CLAIMS,
    MOST_BYTES,
    NO_CLAIMS,
    RequestedClaim,
    allowed_by,
    claims_of,
    read_claims,
    released,
)

ANN = User(id="usr_ann", email="ann@example.test", created_at=NOON, roles=("editor",), email_verified_at=NOON)
ANY = RequestedClaim()


@pytest.mark.parametrize(
    ("text", "userinfo", "id_token"),
    [
        ("", {}, {}),
        ("{}", {}, {}),
        ('{"userinfo": null, "id_token": null}', {}, {}),
        ('{"userinfo": {"email": null}}', {"email": ANY}, {}),
        ('{"userinfo": {"email": {}}}', {"email": ANY}, {}),
        ('{"id_token": {"acr": {"essential": true}}}', {}, {"acr": RequestedClaim(essential=True)}),
        (
            '{"id_token": {"acr": {"essential": true, "values": ["2", "1"]}}}',
            {},
            {"acr": RequestedClaim(essential=True, values=("2", "1"))},
        ),
        ('{"userinfo": {"sub": {"value": "usr_1"}}}', {"sub": RequestedClaim(values=("usr_1",))}, {}),
        ('{"userinfo": {"email": {"value": null}}}', {"email": RequestedClaim(values=(None,))}, {}),
        ('{"userinfo": {"name#de": null, "email": null}}', {"email": ANY}, {}),
        ('{"userinfo": {"email": {"purpose": "billing"}}, "verified_claims": [1]}', {"email": ANY}, {}),
        ('{"userinfo": {"http://example.com/group": null}}', {"http://example.com/group": ANY}, {}),
    ],
)
def test_what_is_asked_for(text: str, userinfo: dict[str, RequestedClaim], id_token: dict[str, RequestedClaim]) -> None:
    """Each is asked for with null, or with essential, value and values; what nobody knows is ignored."""
    asked = read_claims(text)
    assert (asked.userinfo, asked.id_token) == (userinfo, id_token)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        '"userinfo"',
        '{"userinfo": []}',
        '{"userinfo": "email"}',
        '{"userinfo": {"email": true}}',
        '{"userinfo": {"email": []}}',
        '{"userinfo": {"email": {"essential": "true"}}}',
        '{"userinfo": {"email": {"essential": null}}}',
        '{"userinfo": {"email": {"values": "ann@example.test"}}}',
        '{"userinfo": {}, "userinfo": {"email": null}}',
        '{"userinfo": {"email": null, "email": null}}',
        '{"userinfo": {"email": {"value": NaN}}}',
        '{"userinfo": {"email": {"value": [[[[1]]]]}}}',
        '{"userinfo": {"email": null}} ' + " " * MOST_BYTES,
        '{"userinfo": {"\ud800": null}}',
    ],
)
def test_what_is_no_such_parameter(text: str) -> None:
    """JSON of the known shape, no name twice, not nested deeply, 4 KiB at most; every other text is refused."""
    with pytest.raises(Refusal) as caught:
        read_claims(text)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("", None),
        ('{"userinfo": {"sub": null}}', None),
        ('{"userinfo": {"sub": {"value": "a"}}}', ("a",)),
        ('{"id_token": {"sub": {"values": ["b", "a"]}}}', ("a", "b")),
        ('{"id_token": {"sub": {"values": ["b", "a"]}}, "userinfo": {"sub": {"value": "a"}}}', ("a",)),
        ('{"id_token": {"sub": {"value": "b"}}, "userinfo": {"sub": {"value": "a"}}}', ()),
        ('{"id_token": {"sub": {"values": []}}}', ()),
        ('{"id_token": {"sub": {"values": ["a", {}, [], null]}}}', ("a",)),
    ],
)
def test_who_may_sign_in(text: str, subjects: tuple[str, ...] | None) -> None:
    """§5.5.1: a `sub` with a value names the only person whose sign-in is wanted."""
    assert read_claims(text).subjects == subjects


def test_an_essential_acr_must_be_met_and_another_need_not() -> None:
    """§5.5.1.1."""
    assert read_claims('{"id_token": {"acr": {"essential": true, "value": "2"}}}').essential_acr == ("2",)
    assert read_claims('{"id_token": {"acr": {"essential": true, "value": 2}}}').essential_acr == ()
    assert read_claims('{"id_token": {"acr": {"essential": true}}}').essential_acr is None
    assert read_claims('{"id_token": {"acr": {"value": "2"}}}').essential_acr is None
    assert read_claims('{"userinfo": {"acr": {"essential": true, "value": "2"}}}').essential_acr is None
    assert NO_CLAIMS.essential_acr is None


def test_the_scopes_that_tell_the_same() -> None:
    """Consent to a claim is consent to its scope; to one that we keep of nobody there is nothing to consent."""
    assert read_claims('{"userinfo": {"email_verified": null, "name": null}}').scopes == ("email",)
    assert read_claims('{"id_token": {"roles": null}, "userinfo": {"email": null}}').scopes == ("email", "roles")


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ((), {}),
        (("openid",), {}),
        (("profile", "phone", "address"), {}),
        (("email",), {"email": "ann@example.test", "email_verified": True}),
        (("roles", "unknown"), {"roles": ["editor"]}),
        (
            ("openid", "profile", "email", "address", "phone", "roles"),
            {"email": "ann@example.test", "email_verified": True, "roles": ["editor"]},
        ),
    ],
)
def test_what_scopes_open(scope: tuple[str, ...], expected: dict[str, object]) -> None:
    """§5.4; what is not kept is left out, and never null."""
    assert released(ANN, claims_of(scope), {}) == expected


def test_an_address_that_nobody_has_proved_says_so() -> None:
    """With the boolean false, not without it."""
    new = User(id="usr_new", email="new@example.test", created_at=NOON)
    assert released(new, claims_of(("email", "roles")), {}) == {"email": "new@example.test", "email_verified": False}


def test_what_is_asked_for_by_name() -> None:
    """One that could be told by a scope of the client, and has the value that was asked for."""
    asked = read_claims('{"userinfo": {"email": null, "roles": null, "name": {"essential": true}}}').userinfo
    may = allowed_by(("openid", "email"), asked)
    assert released(ANN, (), may) == {"email": "ann@example.test"}
    other = read_claims('{"userinfo": {"email": {"value": "bob@example.test"}}}').userinfo
    assert released(ANN, claims_of(("email",)), other) == {"email_verified": True}


def test_every_claim_that_is_kept_belongs_to_a_scope() -> None:
    """Else nobody could be asked for their consent to it."""
    assert set(KEPT_CLAIMS) <= claims_of(CLAIMS_OF_SCOPES)
    everything = released(ANN, KEPT_CLAIMS, {})
    assert tuple(everything) == KEPT_CLAIMS
