"""Access tokens as other issuers write them, verified by discovery: what docs/guides/other-issuers.md promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.support.scripted_issuer import JWKS, METADATA, NOW, OPENID_METADATA, Clock, ScriptedIssuer, answer

from gatepass.jose import JoseError, Key, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

RSA = Key.generate("RS256")
ENCRYPTION = Key.generate("RSA-OAEP")


class Dialect(NamedTuple):
    """How an issuer writes its tokens, and the policy that reads them."""

    path: str
    policy: dict[str, Any]
    claims: dict[str, Any]
    client: str | None
    scopes: set[str]
    roles: set[str]
    names_alg: bool = True


DIALECTS = {
    "keycloak": Dialect(
        "/realms/shop",
        {"typ": "JWT", "roles": ("realm_access", "roles")},
        {
            "aud": ["account", "orders"],
            "azp": "spa",
            "typ": "Bearer",
            "scope": "openid orders:read",
            "sid": "s1",
            "acr": "1",
            "auth_time": int(NOW),
            "realm_access": {"roles": ["admin", "offline_access"]},
            "resource_access": {"orders": {"roles": ["writer"]}},
            "allowed-origins": ["https://app.example.com"],
        },
        "spa",
        {"openid", "orders:read"},
        {"admin", "offline_access"},
    ),
    "keycloak, roles of one client": Dialect(
        "/realms/shop",
        {"typ": "JWT", "roles": ("resource_access", "orders", "roles")},
        {"azp": "spa", "resource_access": {"orders": {"roles": ["writer"]}}},
        "spa",
        set(),
        {"writer"},
    ),
    "keycloak, no roles of this client": Dialect(
        "/realms/shop",
        {"typ": "JWT", "roles": ("resource_access", "orders", "roles")},
        {"azp": "spa", "resource_access": {"account": {"roles": ["manage"]}}},
        "spa",
        set(),
        set(),
    ),
    "auth0": Dialect(
        "/",
        {"typ": "JWT", "roles": "permissions"},
        {
            "aud": ["orders", "https://tenant.auth0.com/userinfo"],
            "azp": "spa",
            "scope": "openid profile",
            "permissions": ["orders:read"],
        },
        "spa",
        {"openid", "profile"},
        {"orders:read"},
    ),
    "auth0, roles by an action": Dialect(
        "/",
        {"typ": "JWT", "roles": "https://example.com/roles"},
        {"azp": "spa", "https://example.com/roles": ["admin"]},
        "spa",
        set(),
        {"admin"},
    ),
    "auth0, RFC 9068": Dialect(
        "/", {}, {"client_id": "spa", "jti": "t1", "scope": "orders:read"}, "spa", {"orders:read"}, set()
    ),
    "entra, for a person": Dialect(
        "/tenant/v2.0",
        {"typ": "JWT", "alg": "RS256"},
        {
            "azp": "spa",
            "scp": "orders.read orders.write",
            "roles": ["Admin"],
            "ver": "2.0",
            "nbf": int(NOW),
            "oid": "o",
        },
        "spa",
        {"orders.read", "orders.write"},
        {"Admin"},
        names_alg=False,
    ),
    "entra, for a service": Dialect(
        "/tenant/v2.0",
        {"typ": "JWT", "alg": "RS256"},
        {"azp": "worker", "roles": ["Orders.Read.All"], "idtyp": "app", "ver": "2.0"},
        "worker",
        set(),
        {"Orders.Read.All"},
        names_alg=False,
    ),
    "google, between services": Dialect(
        "",
        {"typ": "JWT"},
        {"azp": "1234", "email": "worker@project.iam.gserviceaccount.com", "email_verified": True},
        "1234",
        set(),
        set(),
    ),
}


def publish(issuer: ScriptedIssuer, dialect: Dialect) -> Callable[[socket.socket], None]:
    """Publish keys as these issuers do: with `use`, certificates, a key for encryption, and perhaps without `alg`."""
    members = []
    for key, use in ((ENCRYPTION, "enc"), (RSA, "sig")):
        member = key.public().to_jwk() | {"use": use, "x5t": "x"}
        if not dialect.names_alg:
            del member["alg"]
        members.append(member)
    if not dialect.names_alg:
        members = members[1:]
    return lambda connection: answer(connection, json.dumps({"keys": members}).encode())


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_token_of_another_issuer(dialect: Dialect) -> None:
    """Keys are found by OpenID discovery; client, scopes and roles are found where the issuer puts them."""
    with ScriptedIssuer(dialect.path) as issuer:
        metadata = json.dumps({"issuer": issuer.url, "jwks_uri": issuer.origin + JWKS}).encode()
        path = dialect.path.rstrip("/")
        issuer.scripts[METADATA + path] = lambda connection: answer(connection, b"", status=404)
        issuer.scripts[path + OPENID_METADATA] = lambda connection: answer(connection, metadata)
        issuer.scripts[JWKS] = publish(issuer, dialect)
        verifier = Verifier(issuer=issuer.url, audience="orders", revocation=None, clock=Clock(), **dialect.policy)
        typ = dialect.policy.get("typ", "at+jwt")

        def token(**changes: object) -> str:
            claims = {"iss": issuer.url, "sub": "user_1", "aud": "orders", "iat": int(NOW), "exp": int(NOW) + 900}
            every = claims | dialect.claims | changes
            return jwt.sign({name: value for name, value in every.items() if value is not None}, RSA, typ=typ)

        principal = verifier.verify(token())
        assert principal.client_id == dialect.client
        assert principal.scopes == dialect.scopes
        assert principal.roles == dialect.roles
        not_ours: list[dict[str, Any]] = [{"aud": "another"}, {"aud": None}, {"sub": None}, {"exp": int(NOW)}]
        if typ != "at+jwt":  # which alone tells an ID token or a logout token apart
            not_ours += [{"at_hash": "x"}, {"events": {}}]
        for bad in not_ours:
            with pytest.raises(JoseError):
                verifier.verify(token(**bad))


@pytest.mark.parametrize("claim", ["admin", 7, [7], {"roles": "admin"}, {"roles": [7]}, {"roles": {"a": 1}}])
def test_roles_of_another_type(claim: object) -> None:
    """What is no list of names, or not where it should be, is refused."""
    with ScriptedIssuer() as issuer:
        verifier = Verifier(
            issuer=issuer.url,
            audience="my-api",
            typ=None,
            roles=("realm_access", "roles"),
            revocation=None,
            clock=Clock(),
        )
        with pytest.raises(JoseError) as caught:
            verifier.verify(issuer.token(realm_access=claim))
        assert caught.value.code == "bad_claim"
