"""`gatepass client …`: what can be registered, what is refused, and what a change ends."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_operator import run

from gatepass.cli.client_options import ClientOptions
from gatepass.jose import Key, KeySet
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.features.admin.api.clients import ClientPatch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.test_operator import Run

__all__ = ["run"]

CALLBACK = "https://app.example.test/cb"
SIGNS_IN = ("--grant", "authorization_code", "--redirect-uri", CALLBACK)


def added(run: Run, *words: str) -> dict[str, Any]:
    """Register a client; all that is known of it, and its secret."""
    done = run("client", "add", "app", *words, "--json")
    assert done.status == 0, done.err
    credentials = json.loads(done.out)
    known = shown(run, credentials["client_id"])
    return {**credentials, **known}


def shown(run: Run, client_id: str) -> dict[str, Any]:
    """What is known of a client."""
    known: dict[str, Any] = json.loads(run("client", "show", client_id, "--json").out)
    return known


def events(run: Run) -> list[tuple[str, str]]:
    """Kind and client of every event about clients."""
    lines = [json.loads(line) for line in run("events", "export").out.splitlines()]
    return [(each["kind"], each["reason"]) for each in lines if each["kind"].startswith("client_")]


def test_an_application_that_signs_people_in(run: Run) -> None:
    """The code grant brings refreshing and the usual scopes along."""
    client = added(run, *SIGNS_IN)
    assert client["grant_types"] == ["authorization_code", "refresh_token"]
    assert client["scope"] == ["openid", "profile", "email", "offline_access"]
    assert (client["kind"], client["authentication"], client["consent"]) == ("web", "client_secret", "first-time")
    assert client["client_secret"].startswith("gps_")
    assert added(run, "--redirect-uri", CALLBACK)["grant_types"] == client["grant_types"]
    assert added(run, *SIGNS_IN, "--no-refresh", "--scope", "openid")["grant_types"] == ["authorization_code"]


def test_kinds(run: Run) -> None:
    """Native and browser applications keep no secret; a service signs nobody in; grants have short names."""
    native = added(run, "--kind", "native", "--redirect-uri", "com.example.app:/cb")
    assert (native["kind"], native["authentication"], "client_secret" in native) == ("native", "none", False)
    browser = added(run, "--kind", "browser", "--redirect-uri", CALLBACK)
    assert (browser["kind"], browser["authentication"]) == ("browser", "none")
    assert added(run)["grant_types"] == ["client_credentials"]
    device = added(run, "--public", "--grant", "device_code")
    assert device["grant_types"] == ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]


def test_every_option(run: Run, tmp_path: Path) -> None:
    """What is given is what is kept."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(KeySet([Key.generate("ES256").public()]).to_jwks()))
    options: dict[str, tuple[str, Any]] = {
        "--post-logout-redirect-uri": ("post_logout_redirect_uris", ["https://app.example.test/bye"]),
        "--backchannel-logout-uri": ("backchannel_logout_uri", "https://app.example.test/logout"),
        "--pkce": ("pkce", "optional"),
        "--consent": ("consent", "ask"),
        "--id-token-alg": ("id_token_signed_response_alg", "ES256"),
        "--request-object-signing-alg": ("request_object_signing_alg", "ES256"),
        "--authorization-signed-response-alg": ("authorization_signed_response_alg", "ES256"),
        "--subject": ("subject_type", "pairwise"),
        "--default-scope": ("default_scope", ["openid"]),
        "--exchange-audience": ("exchange_audience", ["https://api.test"]),
        "--assertion-audience": ("assertion_audience", "token_endpoint"),
    }
    words: list[str] = []
    for flag, (_, value) in options.items():
        words += [flag, value[0] if isinstance(value, list) else value]
    client = added(
        run, *SIGNS_IN, *words, "--require-par", "--require-dpop", "--claims-in-id-token", "--jwks", str(keys)
    )
    assert {name: client[name] for name, _ in options.values()} == dict(options.values())
    assert client["require_pushed_authorization_requests"]
    assert client["dpop_bound_access_tokens"]
    assert client["claims_in_id_token"]
    edited = run("client", "edit", client["client_id"], "--require-signed-request-object", "--json")
    assert json.loads(edited.out)["require_signed_request_object"]
    edited = run("client", "edit", client["client_id"], "--authorization-signed-response-alg", "RS256", "--json")
    assert json.loads(edited.out)["authorization_signed_response_alg"] == "RS256"
    assert json.loads(edited.out)["require_signed_request_object"]
    assert client["authentication"] == "private_key_jwt"
    fapi = added(run, *SIGNS_IN, "--profile", "fapi2", "--jwks-uri", "https://app.example.test/keys")
    assert fapi["require_pushed_authorization_requests"]
    assert fapi["dpop_bound_access_tokens"]
    for name in ("id_token", "authorization", "introspection"):  # §5.4.1: never RS256, which is the usual one
        assert fapi[f"{name}_signed_response_alg"] == "ES256"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--grant", "authorization_code"], "needs a redirect URI"),
        (["--grant", "client_credentials", "--redirect-uri", CALLBACK], "Redirect URIs are for clients with"),
        (["--redirect-uri", "http://app.example.test/cb"], "https"),
        (["--redirect-uri", "https://app.example.test/*"], "redirect URI"),
        (["--redirect-uri", "com.example.app:/cb"], "native"),
        (
            ["--redirect-uri", CALLBACK, "--public", "--grant", "authorization_code", "--grant", "client_credentials"],
            "public",
        ),
        (["--redirect-uri", CALLBACK, "--public", "--pkce", "optional"], "PKCE"),
        (["--redirect-uri", CALLBACK, "--public", "--jwks-uri", "https://a.test/keys"], "public client has no keys"),
        (["--redirect-uri", CALLBACK, "--default-scope", "read"], "default scopes"),
        (["--redirect-uri", CALLBACK, "--id-token-alg", "HS256"], "id_token_signed_response_alg"),
        (["--redirect-uri", CALLBACK, "--request-object-signing-alg", "none"], "request_object_signing_alg"),
        (["--redirect-uri", CALLBACK, "--authorization-signed-response-alg", "none"], "authorization_signed_response"),
        (["--redirect-uri", CALLBACK, "--require-signed-request-object"], "public keys"),
        (
            ["--redirect-uri", CALLBACK, "--backchannel-logout-uri", "http://app.example.test/"],
            "backchannel_logout_uri",
        ),
        (["--redirect-uri", CALLBACK, "--jwks-uri", "ftp://a.test/keys"], "jwks_uri"),
        (["--redirect-uri", CALLBACK, "--profile", "fapi2"], "private_key_jwt"),
        (
            ["--redirect-uri", "http://localhost/cb", "--profile", "fapi2", "--jwks-uri", "https://a.test/keys"],
            "https redirect URIs",
        ),
        (
            ["--redirect-uri", CALLBACK, "--redirect-uri", "https://b.example.test/cb", "--subject", "pairwise"],
            "sector_identifier_uri",
        ),
        (["--exchange-audience", "two words"], "audience"),
    ],
)
def test_what_no_client_can_be(run: Run, words: list[str], error: str) -> None:
    """`error:` says what is wrong, and nothing is registered."""
    run("client", "add", "first")
    done = run("client", "add", "app", *words)
    assert (done.status, done.out) == (1, "")
    assert error in done.err
    assert "\nhint: " in done.err
    assert len(json.loads(run("client", "list", "--json").out)) == 1


def test_changes_are_events(run: Run) -> None:
    """Each of the operator's acts on a client leaves one, and a change to nothing none."""
    client = added(run, *SIGNS_IN)["client_id"]
    run("client", "edit", client, "--name", "shop", "--redirect-uri", "https://shop.example.test/cb")
    run("client", "edit", client, "--name", "shop")
    run("client", "rotate-secret", client, "--keep-old", "24h")
    run("client", "disable", client)
    assert shown(run, client)["disabled"]
    run("client", "disable", client)
    run("client", "enable", client)
    assert (shown(run, client)["disabled"], shown(run, client)["name"]) == (False, "shop")
    run("client", "remove", client)
    assert run("client", "show", client).err.startswith("error: There is no client with this id.")
    kinds = ("added", "changed", "secret_rotated", "disabled", "enabled", "removed")
    assert events(run) == [(f"client_{kind}", client) for kind in kinds]


def test_the_names_by_which_it_knows_people_stay(run: Run) -> None:
    """A client whose sector changed would know nobody any more, so neither it nor the subject type can change."""
    pairwise = added(run, *SIGNS_IN, "--subject", "pairwise")["client_id"]
    for words in (["--redirect-uri", "https://other.example.test/cb"], ["--subject", "public"]):
        done = run("client", "edit", pairwise, *words)
        assert (done.status, "register another one" in done.err) == (1, True)
    assert run("client", "edit", pairwise, "--redirect-uri", "https://app.example.test/cb2").status == 0


def test_keys_in_place_of_a_secret_and_back(run: Run) -> None:
    """Keys end the secret; a new secret ends the keys; where keys are said in two ways, the latter counts."""
    client = added(run, *SIGNS_IN)["client_id"]
    run("client", "edit", client, "--jwks-uri", "https://app.example.test/keys")
    assert shown(run, client)["authentication"] == "private_key_jwt"
    run("client", "rotate-secret", client)
    assert (shown(run, client)["authentication"], "jwks_uri" in shown(run, client)) == ("client_secret", False)
    public = added(run, *SIGNS_IN, "--public")["client_id"]
    assert "no secret" in run("client", "rotate-secret", public).err


@pytest.mark.parametrize("words", [["--expires", "soon"], ["--uses", "0"], ["--expires", "0h"]])
def test_registration_tokens(run: Run, words: list[str]) -> None:
    """One is printed, and a note where nobody could use it; nonsense is refused."""
    done = run("client", "registration-token")
    assert done.status == 1  # there is no database
    run("client", "add", "first")
    done = run("client", "registration-token")
    assert done.out.startswith("gpi_")
    assert "Registration is off" in done.err
    assert run("client", "registration-token", *words).status == 1


def test_all_that_a_client_says_can_be_set() -> None:
    """By the command line and by the API; what software it is, only a client says that registers itself."""
    named: dict[str, Any] = {each.name: ("x",) for each in fields(ClientOptions) if each.name != "jwks"}
    changes = ClientOptions(**named).changes()
    metadata = {name for name in ClientMetadata.__struct_fields__ if not name.startswith("software_")}
    assert set(changes.metadata) == metadata - {"application_type"}  # it follows from --kind
    assert set(changes.rules) == set(ClientRules.__struct_fields__)
    by_api = set(ClientPatch.__struct_fields__)
    assert metadata <= by_api
    assert set(ClientRules.__struct_fields__) - by_api == {"may_impersonate"}  # only the command line gives it


def test_what_a_client_says_of_itself(run: Run) -> None:
    """It is kept, shown, and checked like what a client says that registers itself."""
    client = added(run, *SIGNS_IN, "--client-uri", "https://app.example.test/", "--contact", "ops@example.test")
    assert (client["client_uri"], client["contacts"]) == ("https://app.example.test/", ["ops@example.test"])
    assert run("client", "edit", client["client_id"], "--default-max-age", "600", "--default-acr", "2fa").status == 0
    known = shown(run, client["client_id"])
    assert (known["default_max_age"], known["default_acr_values"]) == (600, ["2fa"])
    assert run("client", "edit", client["client_id"], "--default-max-age", "-1").status != 0
    assert run("client", "edit", client["client_id"], "--policy-uri", "javascript:alert(1)").status != 0
