"""What each preset knows: whom it lets in, whose addresses it believes, and what it sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from tests.support.scripted_provider import CLIENT_ID, CLIENT_SECRET, ScriptedProvider, say
from tests.support.server import NOON

from gatepass.jose import Key, jwt
from gatepass.server.base.errors import GatepassError, StartupError
from gatepass.server.base.settings import load
from gatepass.server.base.settings.providers import ProviderSettings
from gatepass.server.domain.providers.presets import make_providers
from gatepass.server.domain.providers.provider import Journey

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from gatepass.server.domain.accounts.linked_identity import Claimed
    from gatepass.server.domain.providers.provider import Provider

TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
JOURNEY = Journey(state="s", nonce="n", verifier="v" * 43, redirect_uri="http://localhost/pages/login/callback/x")


@pytest.fixture
def site() -> Generator[ScriptedProvider]:
    """The other site."""
    with ScriptedProvider() as site:
        site.now = lambda: NOON
        yield site


def provider_of(site: ScriptedProvider, provider_id: str, **settings: Any) -> Provider:  # noqa: ANN401 - any setting
    """A preset, at this site instead of its own."""
    given = msgspec.convert(site.settings(**settings), ProviderSettings)
    return make_providers({provider_id: given})[provider_id]


def proven(provider: Provider, token: str) -> Claimed:
    """What an ID token proves."""
    return asyncio.run(provider.check_id_token(token, nonce=None, now=NOON)).claimed


def refusal(provider: Provider, token: str) -> str:
    """Why an ID token proves nothing."""
    with pytest.raises(GatepassError) as raised:
        proven(provider, token)
    return raised.value.code


def test_google_lets_in_who_is_of_the_domain(site: ScriptedProvider) -> None:
    """By the claim `hd`: the address alone says nothing of who runs it, and the request's `hd` people can change."""
    google = provider_of(site, "google", domains=["example.com"])
    asked = dict(parse_qsl(urlsplit(asyncio.run(google.way_there(JOURNEY, NOON))).query))
    assert asked["hd"] == "example.com"
    assert proven(google, site.id_token(hd="example.com")).email_is_verified
    for hd in (None, "example.org", "EXAMPLE.COM.evil.test"):
        assert refusal(google, site.id_token(hd=hd, email="eve@example.com")) == "provider_denied"


def microsoft(site: ScriptedProvider, tenant: str = "common", **settings: Any) -> Provider:  # noqa: ANN401 - any setting
    """Microsoft, whose metadata of many tenants names no single issuer."""
    name = "{tenantid}" if tenant == "common" else tenant
    metadata = {
        "issuer": f"{site.url}/{name}/v2.0",
        "authorization_endpoint": f"{site.url}/authorize",
        "token_endpoint": f"{site.url}/token",
        "jwks_uri": f"{site.url}/jwks",
    }
    site.answers[f"/{tenant}/v2.0/.well-known/openid-configuration"] = lambda handler: say(handler, metadata)
    site.lies = {"iss": f"{site.url}/{TENANT}/v2.0", "tid": TENANT, "email_verified": None}
    return provider_of(site, "microsoft", tenant=tenant, **settings)


def test_microsoft_names_its_issuer_by_the_tenant(site: ScriptedProvider) -> None:
    """`iss` and `tid` must agree, and a tenant that is set is the only one; so is one of the list."""
    other = "00000000-0000-0000-0000-000000000001"
    for provider in (microsoft(site), microsoft(site, TENANT), microsoft(site, tenants=[TENANT])):
        assert proven(provider, site.id_token()).issuer == f"{site.url}/{TENANT}/v2.0"
        assert refusal(provider, site.id_token(tid=other)) == "invalid_id_token"
        assert refusal(provider, site.id_token(tid=None)) == "invalid_id_token"
        assert refusal(provider, site.id_token(tid="{tenantid}", iss=f"{site.url}/{{tenantid}}/v2.0")) != ""
    elsewhere = site.id_token(tid=other, iss=f"{site.url}/{other}/v2.0")
    assert refusal(microsoft(site, TENANT), elsewhere) == "invalid_id_token"
    assert refusal(microsoft(site, tenants=[TENANT]), elsewhere) == "provider_denied"
    assert proven(microsoft(site), elsewhere).issuer == f"{site.url}/{other}/v2.0"


def test_microsoft_s_addresses_are_anybody_s_word(site: ScriptedProvider) -> None:
    """Whoever runs a tenant writes any address there (nOAuth): it counts with `xms_edov`, or by a setting."""
    assert not proven(microsoft(site), site.id_token(email_verified=True)).email_is_verified
    assert not proven(microsoft(site), site.id_token(xms_edov=False)).email_is_verified
    assert proven(microsoft(site), site.id_token(xms_edov=True)).email_is_verified
    assert proven(microsoft(site, TENANT, email_is_verified=True), site.id_token()).email_is_verified


def test_apple_signs_its_secret(site: ScriptedProvider, tmp_path: Path) -> None:
    """An ES256 token for five minutes; the answer comes as a form; `email_verified` may be a text."""
    key = Key.generate("ES256")
    (tmp_path / "AuthKey.p8").write_bytes(key.to_pem(private=True))
    site.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    apple = provider_of(
        site,
        "apple",
        client_secret="",
        team_id="TEAM123456",
        key_id="KEY1234567",
        private_key_file=str(tmp_path / "AuthKey.p8"),
    )

    async def there_and_back() -> Claimed:
        answer = site.authorize(await apple.way_there(JOURNEY, NOON))
        return (await apple.redeem(answer, JOURNEY, NOON)).claimed

    site.person["email_verified"] = "true"
    assert asyncio.run(there_and_back()).email_is_verified
    assert site.asked[0]["response_mode"] == "form_post"
    secret = site.forms[0]["client_secret"]
    claims = jwt.verify(secret, key.public(), issuer="TEAM123456", audience=site.url, typ=None, now=NOON)
    assert (claims["sub"], claims["exp"] - claims["iat"]) == (CLIENT_ID, 300)
    assert jwt.peek(secret).headers == {"alg": "ES256", "kid": "KEY1234567"}


def github(site: ScriptedProvider, user: object, addresses: object, *, status: int = 200) -> Claimed:
    """What GitHub's API says of somebody who comes back."""
    seen: list[str] = []

    def answer(content: object, status: int = 200) -> Any:  # noqa: ANN401 - a handler
        def respond(handler: BaseHTTPRequestHandler) -> None:
            seen.append(handler.headers["authorization"])
            say(handler, content, status)

        return respond

    site.answers |= {"/api/v3/user": answer(user), "/api/v3/user/emails": answer(addresses, status)}
    provider = provider_of(site, "github")

    async def there_and_back() -> Claimed:
        back = site.authorize(await provider.way_there(JOURNEY, NOON))
        return (await provider.redeem(back, JOURNEY, NOON)).claimed

    claimed = asyncio.run(there_and_back())
    assert seen == ["Bearer opaque"] * 2
    return claimed


ADDRESSES = [
    {"email": "old@example.test", "primary": False, "verified": True},
    {"email": "ann@example.test", "primary": True, "verified": True},
]


def test_github_is_asked_by_its_api(site: ScriptedProvider) -> None:
    """Who it is by the numeric id, which stays when the name changes; the address is the primary one, if verified."""
    claimed = github(site, {"id": 583231, "login": "octocat", "email": "shown@example.test"}, ADDRESSES)
    assert (claimed.subject, claimed.email, claimed.email_is_verified) == ("583231", "ann@example.test", True)
    unproven = [ADDRESSES[0] | {"verified": False}, ADDRESSES[1] | {"verified": False}]
    assert not github(site, {"id": 583231}, unproven).email_is_verified
    secondary = github(site, {"id": 583231}, [ADDRESSES[1] | {"verified": False}, ADDRESSES[0]])
    assert (secondary.email, secondary.email_is_verified) == ("old@example.test", True)
    assert github(site, {"id": 583231}, []).email == ""


@pytest.mark.parametrize(
    ("user", "addresses"), [({"id": "583231"}, ADDRESSES), ({"id": True}, []), ({}, []), ({"id": 1}, {"email": "x"})]
)
def test_what_github_cannot_mean(site: ScriptedProvider, user: object, addresses: object) -> None:
    """Answers of another shape are none."""
    with pytest.raises((GatepassError, AssertionError)) as raised:
        github(site, user, addresses)
    assert getattr(raised.value, "code", "") == "provider_unavailable"


@pytest.mark.parametrize("status", [403, 404])
def test_github_does_not_let_us_see_addresses(
    site: ScriptedProvider, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """An application without that right learns who it is and no address; the log says why."""
    claimed = github(site, {"id": 583231}, {"message": "Resource not accessible by integration"}, status=status)
    assert (claimed.subject, claimed.email, claimed.email_is_verified) == ("583231", "", False)
    assert f"status={status}" in capsys.readouterr().out


def test_github_in_trouble_is_no_github_without_addresses(site: ScriptedProvider) -> None:
    """500 is told of as what it is."""
    with pytest.raises(GatepassError) as raised:
        github(site, {"id": 583231}, {}, status=500)
    assert "answered 500" in raised.value.private


def test_github_refuses_with_200(site: ScriptedProvider) -> None:
    """An error in an answer of 200 is an error."""
    site.answers["/login/oauth/access_token"] = lambda handler: say(handler, {"error": "bad_verification_code"})
    provider = provider_of(site, "github")
    with pytest.raises(GatepassError) as raised:
        asyncio.run(provider.redeem({"code": "x"}, JOURNEY, NOON))
    assert raised.value.code == "provider_denied"


def test_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    """A table each, or JSON; and no secret shows in what is printed of the settings."""
    file = tmp_path / "gatepass.toml"
    file.write_text('[providers.google]\nclient_id = "1.apps"\nclient_secret = "hush"\n')
    by_file = load(file=file)
    text = '{"google": {"client_id": "1.apps", "client_secret": "hush"}}'
    assert load(environment={"GATEPASS_PROVIDERS": text}).providers == by_file.providers
    assert "hush" not in repr(by_file) + repr(by_file.providers)


@pytest.mark.parametrize(
    ("provider_id", "table", "said"),
    [
        ("Corp", {"issuer": "https://a.test"}, "not a valid provider id"),
        ("corp", {}, "no issuer"),
        ("corp", {"issuer": "http://a.test"}, "not an https URL"),
        ("corp", {"issuer": "https://a.test", "client_id": ""}, "not one word"),
        ("corp", {"issuer": "https://a.test", "domains": ["a.test"]}, "only Google"),
        ("corp", {"issuer": "https://a.test", "ca_file": "/nowhere.pem"}, "no file"),
        ("corp", {"issuer": "https://a.test", "secret": "x"}, "unknown field"),
        ("google", {"client_secret": ""}, "client_secret"),
        ("apple", {"team_id": "T"}, "cannot sign"),
        ("microsoft", {}, "no tenant"),
        ("microsoft", {"tenant": "example.com"}, "no tenant"),
        ("mine", {"kind": "gitlab", "tenants": ["x"]}, "only Microsoft"),
    ],
)
def test_what_could_not_work_does_not_start(provider_id: str, table: dict[str, Any], said: str) -> None:
    """The message names the provider's table and what to do."""
    with pytest.raises(StartupError, match=said):
        load(flags={"providers": {provider_id: {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} | table}})
