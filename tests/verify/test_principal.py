"""What a `Principal` holds, and what can be done with it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.offline_verifier import offline, signed
from tests.support.scripted_issuer import NOW

from gatepass.verify import Principal


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


def test_a_principal_is_a_principal() -> None:
    """The class is the one that the package exports."""
    assert isinstance(offline().verify(signed()), Principal)
