"""What a subject may do in an organization counts there, and nowhere else."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from gatepass.jose.errors import InvalidPolicyError
from gatepass.testing import Issuer
from gatepass.verify import Principal, PrincipalOrganization, challenge
from gatepass.verify.errors import InsufficientScopeError

IN_ACME: dict[str, Any] = {
    "org_id": "org_a",
    "org_slug": "acme",
    "org_roles": ["admin"],
    "org_permissions": ["a:write"],
}


def read(**claims: Any) -> Principal:  # noqa: ANN401 - any claim
    """The principal of a token with these claims."""
    issuer = Issuer(audience="api")
    return issuer.verifier().verify(issuer.token(**claims))


def test_rights_in_an_organization_count_there_alone() -> None:
    """Named by its id, or by a star for the one that the token is for; what is held outside does not count inside."""
    principal = read(roles=["reader"], permissions=["b:read"], scope="s", **IN_ACME)
    assert principal.organization == PrincipalOrganization(
        id="org_a", slug="acme", roles=frozenset({"admin"}), permissions=frozenset({"a:write"})
    )
    principal.require(role="admin", permission="a:write", scope="s", organization="org_a")
    principal.require(role="admin", organization="*")
    principal.require(role="reader", permission="b:read")
    refused: tuple[dict[str, Any], ...] = (
        {"role": "admin"},
        {"permission": "a:write"},
        {"role": "reader", "organization": "org_a"},
        {"permission": "b:read", "organization": "*"},
        {"organization": "org_b"},
        {"organization": "acme"},
        {"scope": "t", "organization": "org_a"},
    )
    for required in refused:
        with pytest.raises(InsufficientScopeError) as error:
            principal.require(**required)
        assert challenge(error.value).status == 403
    outside = read(roles=["admin"], permissions=["a:write"])
    assert outside.organization is None
    for organization in ("org_a", "*"):
        with pytest.raises(InsufficientScopeError):
            outside.require(role="admin", organization=organization)


@pytest.mark.parametrize("wrong", [{"org_id": 5}, {"org_id": ""}, {"org_id": ["org_a"]}, {"org_id": {"id": "org_a"}}])
def test_an_organization_of_another_type_is_none(wrong: dict[str, object]) -> None:
    """No standard defines these claims: a token of another issuer is not refused for them, and they grant nothing."""
    assert read(**IN_ACME | wrong).organization is None
    odd = read(**IN_ACME | {"org_slug": 1, "org_roles": "admin", "org_permissions": {"a:write": True}})
    assert odd.organization == PrincipalOrganization(id="org_a")
    objects = [{"method": "a:write"}]  # how some write `amr`
    odd = read(**IN_ACME | {"org_roles": objects, "org_permissions": objects, "permissions": objects})
    assert (odd.organization, odd.permissions) == (PrincipalOrganization(id="org_a", slug="acme"), frozenset())


def test_a_principal_keeps_its_organization() -> None:
    """Through a queue, a cache and a pickle."""
    principal = read(**IN_ACME)
    assert Principal.from_dict(principal.to_dict()) == principal
    assert pickle.loads(pickle.dumps(principal)) == principal  # noqa: S301 - our own
    assert principal.to_dict()["organization"]["permissions"] == ["a:write"]


@pytest.mark.parametrize("organization", ["", " ", "a b", 'a"b', "\n"])
def test_what_can_be_no_organization_fails_at_once(organization: str) -> None:
    """A typing error shows where the requirement is made."""
    with pytest.raises(InvalidPolicyError):
        Principal(subject="x").require(organization=organization)
