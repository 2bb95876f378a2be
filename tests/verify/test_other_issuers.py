"""Access tokens as other issuers write them, verified by discovery: what docs/guides/other-issuers.md promises."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.support.scripted_issuer import JWKS, METADATA, NOW, OPENID_METADATA, Clock, ScriptedIssuer, answer

from gatepass.jose import JoseError, Key, jws, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.verify import Fetched, FetchError, Verifier
from gatepass.verify.issuer import IssuerKeys

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
    "entra, version 1": Dialect(
        "/tenant/",
        {"typ": "JWT", "alg": "RS256"},
        {"appid": "worker", "scp": "orders.read", "ver": "1.0", "amr": ["pwd", "mfa"], "roles": ["Admin"]},
        "worker",
        {"orders.read"},
        {"Admin"},
        names_alg=False,
    ),
    "okta": Dialect(
        "/oauth2/default",
        {"typ": None},
        {"ver": 1, "cid": "spa", "uid": "u", "scp": ["openid", "orders:read"], "auth_time": int(NOW)},
        "spa",
        {"openid", "orders:read"},
        set(),
    ),
    "cognito": Dialect(
        "/eu-central-1_abc",
        {"typ": None, "audience_claim": "client_id", "roles": "cognito:groups"},
        {
            "aud": None,
            "client_id": "orders",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin orders/read",
            "cognito:groups": ["admin"],
            "username": "ann",
            "version": 2,
            "auth_time": int(NOW),
        },
        "orders",
        {"aws.cognito.signin.user.admin", "orders/read"},
        {"admin"},
    ),
    "clerk": Dialect(
        "",
        {"typ": "JWT", "audience_claim": "azp"},
        {"aud": None, "azp": "orders", "sid": "sess_1", "fva": [0, -1], "sts": "active", "v": 2, "acr": 1},
        "orders",
        set(),
        set(),
    ),
    "supabase": Dialect(
        "/auth/v1",
        {"typ": "JWT", "roles": "role"},
        {
            "role": "authenticated",
            "amr": [{"method": "password", "timestamp": int(NOW)}],
            "session_id": "s1",
            "aal": "aal1",
            "app_metadata": {"provider": "email"},
            "is_anonymous": False,
        },
        None,
        set(),
        {"authenticated"},
    ),
    ".NET, one role": Dialect(
        "/", {"typ": "JWT", "roles": "role"}, {"role": "Store Keeper"}, None, set(), {"Store Keeper"}
    ),
    ".NET, several roles": Dialect(
        "/", {"typ": "JWT", "roles": "role"}, {"role": ["admin", "clerk"]}, None, set(), {"admin", "clerk"}
    ),
    "zitadel": Dialect(
        "",
        {"typ": "JWT", "roles": "urn:zitadel:iam:org:project:roles"},
        {
            "client_id": "spa",
            "urn:zitadel:iam:org:project:roles": {"admin": {"1": "acme.example"}, "clerk": {"1": "acme.example"}},
        },
        "spa",
        set(),
        {"admin", "clerk"},
    ),
    "one whose other claims have types of their own": Dialect(
        "",
        {"typ": None},
        {
            "azp": ["spa"],
            "scope": {"a": 1},
            "scp": 5,
            "sid": {},
            "auth_time": "yesterday",
            "acr": 2,
            "amr": 5,
            "roles": 7,
            "status": "active",
            "permissions": None,
        },
        None,
        set(),
        set(),
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
        names_us = dialect.policy.get("audience_claim", "aud")
        not_ours: list[dict[str, Any]] = [{names_us: "another"}, {names_us: None}, {"sub": None}, {"exp": int(NOW)}]
        if typ != "at+jwt":  # which alone tells an ID token or a logout token apart
            not_ours += [{"at_hash": "x"}, {"events": {}}, {"token_use": "id"}, {"typ": "ID"}]
        for bad in not_ours:
            with pytest.raises(JoseError):
                verifier.verify(token(**bad))


@pytest.mark.parametrize("claim", ["admin", 7, [7], {"roles": 7}, {"roles": [7]}, {"roles": [["a"]]}, {"roles": True}])
def test_roles_of_another_type(claim: object) -> None:
    """What lists no names in any shape, or is not where it should be, is refused."""
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


# ── claims that nobody asked for ────────────────────────────────────────────────────────────────────────────────────


def of(issuer: ScriptedIssuer, **policy: Any) -> Verifier:  # noqa: ANN401 - any argument of Verifier
    """Verify any token of an issuer."""
    given: dict[str, Any] = {"audience": "my-api", "typ": None, "revocation": None, "clock": Clock()}
    return Verifier(issuer=issuer.url, **given | policy)


@pytest.mark.parametrize(
    ("amr", "read"),
    [
        ("pwd", ("pwd",)),
        (["pwd", "otp"], ("pwd", "otp")),
        ([{"method": "password", "timestamp": 1}, {"method": "totp", "timestamp": 2}], ("password", "totp")),
        ([{"method": 7}], ()),
        ([7], ()),
        (7, ()),
        (None, ()),
    ],
)
def test_the_ways_of_signing_in(amr: object, read: tuple[str, ...]) -> None:
    """`amr` is read as text, a list, or a list of objects; anything else says nothing, and fulfils nothing."""
    with ScriptedIssuer() as issuer:
        principal = of(issuer).verify(issuer.token(amr=amr))
        assert principal.amr == read
        if not read:
            with pytest.raises(JoseError):
                principal.require(amr="pwd")


def test_a_claim_that_was_asked_for_still_refuses() -> None:
    """Who, whom, for whom and how long are never guessed, whatever else is overlooked."""
    with ScriptedIssuer() as issuer:
        for changes in ({"iss": 7}, {"sub": 7}, {"sub": ""}, {"aud": {"my-api": 1}}, {"exp": "soon"}, {"iat": "now"}):
            # Such a token cannot be signed by our own library, so its octets are written here.
            claims = {"iss": issuer.url, "sub": "u", "aud": "my-api", "exp": int(NOW) + 9, "iat": int(NOW)} | changes
            token = jws.sign(json.dumps(claims).encode(), issuer.keys[0])
            with pytest.raises(JoseError) as caught:
                of(issuer).verify(token)
            assert caught.value.code in ("bad_claim", "wrong_issuer")


@pytest.mark.parametrize("found", ["other", ["other"], 7, {"my-api": 1}, "", [], [["my-api"]], "my-api ", None])
def test_another_audience_claim_is_matched_whole(found: object) -> None:
    """The claim in place of `aud` is demanded like it: absent, of another type or of another value, it refuses."""
    with ScriptedIssuer() as issuer:
        verifier = of(issuer, audience_claim="client_id")
        with pytest.raises(JoseError) as caught:
            verifier.verify(issuer.token(client_id=found, aud="my-api"))
        assert caught.value.code in ("wrong_audience", "missing_claim")
        assert getattr(caught.value, "claim", None) == "client_id"
        assert verifier.verify(issuer.token(client_id="my-api", aud=None)).client_id == "my-api"


@pytest.mark.parametrize("policy", [{"typ": "at+jwt"}, {"typ": None, "audience_claim": ""}, {"audience_claim": 7}])
def test_audience_claims_that_make_no_sense(policy: dict[str, Any]) -> None:
    """RFC 9068 has its own audience, which nothing replaces."""
    with pytest.raises(InvalidPolicyError):
        Verifier(**{"issuer": "https://a.example", "audience": "b", "audience_claim": "azp"} | policy)


# ── tenants ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tenants_are_those_that_are_named() -> None:
    """Of an issuer with a name for each tenant, the tokens of the named ones are accepted, each by its own metadata."""
    with ScriptedIssuer() as issuer:
        for tenant in ("one", "two", "three"):
            document = json.dumps({"issuer": f"{issuer.url}/{tenant}/v2.0", "jwks_uri": issuer.origin + JWKS}).encode()
            script = functools.partial(answer, body=document)
            issuer.scripts[f"/{tenant}/v2.0{OPENID_METADATA}"] = script
        verifier = Verifier.for_tenants(
            issuer=issuer.url + "/{tenant}/v2.0",
            tenants=["one", "two"],
            audience="my-api",
            typ="JWT",
            revocation=None,
            clock=Clock(),
        )
        for tenant in ("one", "two"):
            token = issuer.token(typ="JWT", iss=f"{issuer.url}/{tenant}/v2.0")
            assert verifier.verify(token).claims["iss"].endswith(f"/{tenant}/v2.0")
        for other in ("three", "{tenant}", "one/../three", ""):
            with pytest.raises(JoseError) as caught:
                verifier.verify(issuer.token(typ="JWT", iss=f"{issuer.url}/{other}/v2.0"))
            assert caught.value.code == "wrong_issuer"
        assert set(verifier.health()) == {f"{issuer.url}/one/v2.0", f"{issuer.url}/two/v2.0"}


@pytest.mark.parametrize(
    ("issuer", "tenants"),
    [
        ("https://a.example/{tenant}", []),
        ("https://a.example/{tenant}", "one"),
        ("https://a.example/{tenant}", ["one/two"]),
        ("https://a.example/{tenant}", [".."]),
        ("https://a.example/{tenant}", [""]),
        ("https://a.example/{tenant}", ["one", 7]),
        ("https://a.example/one", ["one"]),
        ("https://{tenant}.example/{tenant}", ["one"]),
    ],
)
def test_tenants_that_are_none(issuer: str, tenants: Any) -> None:  # noqa: ANN401 - hostile arguments are of any type
    """A template without a place, and ids that would lead elsewhere, are refused at start."""
    with pytest.raises(InvalidPolicyError):
        Verifier.for_tenants(issuer=issuer, tenants=tenants, audience="b")


# ── without TLS, in development ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["keycloak:8080", "10.0.0.5:8080", "192.168.1.2", "[fd00::1]:8080"])
def test_a_development_network_without_tls(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """`allow_http_in_development` is what it takes, by name and aloud, for a service of a compose file."""
    url = f"http://{host}/realms/shop/protocol/openid-connect/certs"
    keys = json.dumps({"keys": [RSA.public().to_jwk()]}).encode()
    policy: dict[str, Any] = {"issuer": "http://localhost:8080/realms/shop", "audience": "orders", "typ": "JWT"}
    policy |= {"jwks_url": url, "revocation": None, "clock": Clock(), "fetch": lambda _: Fetched(200, {}, keys)}
    with pytest.raises(InvalidPolicyError, match="allow_http_in_development"):
        Verifier(**policy)
    assert not caplog.records
    verifier = Verifier(**policy, allow_http_in_development=True)
    assert f"{url} is fetched without TLS" in caplog.text
    claims = {"iss": policy["issuer"], "sub": "u", "aud": "orders", "exp": int(NOW) + 9}
    assert verifier.verify(jwt.sign(claims, RSA)).subject == "u"


@pytest.mark.parametrize("host", ["auth.example.com", "8.8.8.8", "keycloak.internal.example", "[2606:4700::1111]"])
def test_the_internet_is_never_asked_without_tls(host: str) -> None:
    """The switch is for names that only a private network knows."""
    for issuer, jwks_url in (("https://a.example", f"http://{host}/keys"), (f"http://{host}", None)):
        with pytest.raises(InvalidPolicyError):
            Verifier(issuer=issuer, jwks_url=jwks_url, audience="b", allow_http_in_development=True)


def test_metadata_of_a_development_network() -> None:
    """Keys that metadata names are fetched without TLS where the issuer is, and only with the switch."""
    url = "http://keycloak:8080/realms/shop"
    for allowed in (True, False):
        issuer = IssuerKeys("https://a.example", allow_http=allowed)
        flow = issuer.refresh(0)
        next(flow)
        metadata = json.dumps({"issuer": "https://a.example", "jwks_uri": url}).encode()
        if allowed:
            assert flow.send(Fetched(200, {}, metadata)) == url
        else:
            with pytest.raises(FetchError):
                flow.send(Fetched(200, {}, metadata))
