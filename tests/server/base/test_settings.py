"""Settings: three places, one precedence, and a refusal for everything that is not one."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
from typing import TYPE_CHECKING

import pytest

from gatepass.server.base import settings as sections
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import IN_FILES, Settings, load
from gatepass.server.base.settings.section import Section
from gatepass.server.base.urls import is_loopback

if TYPE_CHECKING:
    from pathlib import Path


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    """Each place overrides the next; what none of them sets has its default."""
    file = tmp_path / "gatepass.toml"
    file.write_text('port = 1\naccess_token_seconds = 60\naudience = ["https://a.test"]\nsignup = "closed"\n')
    environment = {"GATEPASS_PORT": "2", "GATEPASS_ACCESS_TOKEN_SECONDS": "61", "OTHER": "x"}
    settings = load(flags={"port": 3, "host": None}, environment=environment, file=file)
    assert settings.port == 3
    assert settings.access_token_seconds == 61
    assert settings.audience == ("https://a.test",)
    assert settings.signup == "closed"
    assert settings.host == "localhost"


def test_lists_in_the_environment_are_separated_by_commas() -> None:
    """Blanks around a part do not count, and nothing at all is an empty list."""
    assert load(environment={"GATEPASS_AUDIENCE": "a, b ,c"}).audience == ("a", "b", "c")
    assert load(environment={"GATEPASS_AUDIENCE": ""}).audience == ()


def test_an_unknown_name_refuses_to_start_with_a_hint(tmp_path: Path) -> None:
    """A typing error in the environment or the file is found, and the nearest name suggested."""
    with pytest.raises(StartupError, match="GATEPASS_ACESS_TOKEN_SECONDS") as caught:
        load(environment={"GATEPASS_ACESS_TOKEN_SECONDS": "60"})
    assert caught.value.hint == "Did you mean GATEPASS_ACCESS_TOKEN_SECONDS?"
    file = tmp_path / "gatepass.toml"
    file.write_text("sign_up = 'open'\n")
    with pytest.raises(StartupError, match="sign_up") as caught:
        load(file=file)
    assert caught.value.hint == "Did you mean signup?"


@pytest.mark.parametrize(
    "environment",
    [
        {"GATEPASS_PORT": "eighty"},
        {"GATEPASS_PORT": "70000"},
        {"GATEPASS_ACCESS_TOKEN_SECONDS": "3601"},
        {"GATEPASS_ACCESS_TOKEN_SECONDS": "0"},
        {"GATEPASS_ALG": "none"},
        {"GATEPASS_SIGNUP": "maybe"},
        {"GATEPASS_DATABASE": "mysql://x"},
        {"GATEPASS_DATA_DIR": ""},
        {"GATEPASS_TRUSTED_PROXY": "proxy.example"},
        {"GATEPASS_ISSUER": "auth.example.com"},
        {"GATEPASS_ISSUER": "https://auth.example.com/"},
        {"GATEPASS_ISSUER": "https://auth.example.com?x=1"},
        {"GATEPASS_ISSUER": "http://auth.example.com"},
        {"GATEPASS_ISSUER": "HTTPS://auth.example.com"},
        {"GATEPASS_ISSUER": "https://auth.example.com\n"},
        {"GATEPASS_ISSUER": "https://auth.example.com?"},
        {"GATEPASS_ISSUER": "https://:password@auth.example.com"},
        {"GATEPASS_ISSUER": "https://auth.example.com:99999"},
        {"GATEPASS_ISSUER": "https://[::1"},
        {"GATEPASS_ISSUER": "https://auth.example.com/{tenant}"},
        {"GATEPASS_AUDIENCE": "my api"},
        {"GATEPASS_AUDIENCE": "my\xa0api"},
        {"GATEPASS_SCOPES": "orders:read orders:write"},
        {"GATEPASS_SCOPES": 'say"hello"'},
        {"GATEPASS_BROWSER_ORIGINS": "null"},
        {"GATEPASS_BROWSER_ORIGINS": "https://app.example.com/"},
        {"GATEPASS_BROWSER_ORIGINS": "https://App.example.com"},
        {"GATEPASS_CORS_ORIGINS": "*"},
        {"GATEPASS_CORS_ORIGINS": "https://*.example.com"},
        {"GATEPASS_TLS_CERT": "/nowhere.pem"},
        {"GATEPASS_TLS_CERT": "/nowhere.pem", "GATEPASS_TLS_KEY": "/nowhere.pem"},
    ],
)
def test_a_wrong_value_refuses_to_start(environment: dict[str, str]) -> None:
    """Wrong type, out of range, contradictory: an error that names it, with a hint."""
    with pytest.raises(StartupError) as caught:
        load(environment=environment)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["file:///tmp/traces", "localhost:4318", "ftp://localhost/", "https://"])
def test_traces_go_to_a_place_that_takes_them(url: str) -> None:
    """An endpoint is a URL of HTTP; whatever else would be found out with the first request."""
    with pytest.raises(StartupError, match="traces"):
        load(environment={"GATEPASS_TRACES": url})


def test_a_table_in_the_environment_names_each_provider_once() -> None:
    """The last of two would win without a word."""
    twice = '{"google": {"client_id": "a"}, "google": {"client_id": "b"}}'
    with pytest.raises(StartupError, match="GATEPASS_PROVIDERS"):
        load(environment={"GATEPASS_PROVIDERS": twice})


def test_an_empty_audience_in_the_file_refuses_to_start(tmp_path: Path) -> None:
    """No token could be for an API without a name."""
    file = tmp_path / "gatepass.toml"
    file.write_text('audience = [""]')
    with pytest.raises(StartupError, match="audience"):
        load(file=file)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("audience", ("my-api", "https://api.example.com/v1?x=1", "urn:example:api")),
        ("scopes", ("orders:read", "https://example.com/auth/calendar")),
        ("browser_origins", ("https://app.example.com", "http://localhost:5173", "http://[::1]:3000")),
        ("cors_origins", ("https://app.example.com:8443",)),
    ],
)
def test_what_is_usual_is_taken(name: str, values: tuple[str, ...]) -> None:
    """Names and URLs of APIs, scopes as others have them, origins as browsers write them."""
    assert getattr(load(flags={name: values}), name) == values


def test_plain_http_beyond_loopback_refuses_to_start(tmp_path: Path) -> None:
    """Any other address needs TLS files or a declared trusted proxy."""
    for host in ("0.0.0.0", "192.0.2.7", "::", "auth.example.com"):  # noqa: S104 - that is the point
        with pytest.raises(StartupError, match="plain HTTP"):
            load(flags={"host": host})
        assert load(flags={"host": host, "trusted_proxy": ("10.0.0.0/8",)}).host == host
        pem = tmp_path / "x.pem"
        pem.write_text("x")
        assert load(flags={"host": host, "tls_cert": str(pem), "tls_key": str(pem)}).host == host


SERVICE_LINKS = {
    "GATEPASS_SERVICE_HOST": "10.96.0.7",
    "GATEPASS_SERVICE_PORT": "8000",
    "GATEPASS_SERVICE_PORT_HTTP": "8000",
    "GATEPASS_PORT": "tcp://10.96.0.7:8000",
    "GATEPASS_PORT_8000_TCP": "tcp://10.96.0.7:8000",
    "GATEPASS_PORT_8000_TCP_PROTO": "tcp",
    "GATEPASS_PORT_8000_TCP_PORT": "8000",
    "GATEPASS_PORT_8000_TCP_ADDR": "10.96.0.7",
    "GATEPASS_DB_SERVICE_HOST": "10.96.0.8",
    "GATEPASS_DB_SERVICE_PORT": "5432",
    "GATEPASS_DB_PORT": "tcp://[fd00::8]:5432",
    "GATEPASS_DB_PORT_5432_TCP": "tcp://[fd00::8]:5432",
    "GATEPASS_DB_PORT_5432_TCP_ADDR": "fd00::8",
    "GATEPASS_DNS_PORT_53_UDP": "udp://10.96.0.9:53",
}


def test_services_of_kubernetes_that_are_called_like_us(caplog: pytest.LogCaptureFixture) -> None:
    """What it sets in every container is no setting, and is ignored with one line at debug."""
    with caplog.at_level("DEBUG", "gatepass"):
        settings = load(environment=SERVICE_LINKS | {"GATEPASS_SIGNUP": "closed"})
    assert (settings.port, settings.signup) == (8_000, "closed")
    assert len(caplog.records) == 1
    assert "GATEPASS_DB_SERVICE_HOST" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEPASS_PORT", "tcp://nonsense"),
        ("GATEPASS_PORT", "http://10.0.0.1:80"),
        ("GATEPASS_DB_SERVICE_HOST", "db.example.com"),
        ("GATEPASS_SERVICE_PORT", "x"),
        ("GATEPASS_PORT_8000_TCP_PROTO", "yes"),
        ("GATEPASS_SERVICE", "10.0.0.1"),
        ("GATEPASS_SINGUP", "tcp://10.0.0.1:80"),
    ],
)
def test_what_only_looks_like_kubernetes_is_refused(name: str, value: str) -> None:
    """Both name and value have the shape, or it is a setting that does not exist or is wrong."""
    with pytest.raises(StartupError):
        load(environment={name: value})


_SYSTEM = {"kind": "simplejwt", "key": "s" * 32, "imported_at": "2026-01-01T00:00:00Z", "lifetime_seconds": 3_600}
SECRETS = {
    "providers": '{"google": {"client_id": "a", "client_secret": "b"}}',
    "database": "postgresql://u:p@h/d",
    "hooks_secret": "whsec_" + base64.b64encode(b"k" * 32).decode(),
    "foreign_tokens": json.dumps({"shop": _SYSTEM}),
}
"""Those that are more than any text."""


@pytest.mark.parametrize("setting", IN_FILES)
def test_every_secret_may_be_in_a_file(tmp_path: Path, setting: str) -> None:
    """`…_FILE` names it, in the environment and in TOML; the line's end does not count, a missing file refuses."""
    secret = SECRETS.get(setting, "a secret")
    file, toml = tmp_path / "secret", tmp_path / "gatepass.toml"
    file.write_text(f"{secret}\n")
    toml.write_text(f'{setting}_file = "{file}"\n')
    variable = f"GATEPASS_{setting.upper()}"
    expected = getattr(load(environment={variable: secret}), setting)
    assert getattr(load(environment={f"{variable}_FILE": str(file)}), setting) == expected
    assert getattr(load(file=toml), setting) == expected
    with pytest.raises(StartupError, match="Both"):
        load(environment={f"{variable}_FILE": str(file), variable: secret})
    file.write_text("\n")
    with pytest.raises(StartupError, match="is empty"):
        load(environment={f"{variable}_FILE": str(file)})
    with pytest.raises(StartupError, match="No such file"):
        load(environment={f"{variable}_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize("setting", IN_FILES)
def test_a_variable_that_is_empty_names_no_file(tmp_path: Path, setting: str) -> None:
    """Compose sets what nobody has set to nothing: then there is no file, and beside a file no secret."""
    variable, file = f"GATEPASS_{setting.upper()}", tmp_path / "secret"
    assert load(environment={f"{variable}_FILE": ""}) == Settings()
    if setting not in ("providers", "foreign_tokens"):  # an empty one is no JSON
        file.write_text(SECRETS.get(setting, "a secret"))
        assert load(environment={f"{variable}_FILE": str(file), variable: ""}) != Settings()


def test_a_mark_of_the_encoding_does_not_count(tmp_path: Path) -> None:
    """PowerShell begins each file that it writes with a byte order mark: neither secrets nor settings have it."""
    file, toml = tmp_path / "secret", tmp_path / "gatepass.toml"
    file.write_text("a secret\r\n", encoding="utf-8-sig")
    toml.write_text('site_name = "Pears"\r\n', encoding="utf-8-sig")
    settings = load(environment={"GATEPASS_METRICS_TOKEN_FILE": str(file)}, file=toml)
    assert (settings.metrics_token, settings.site_name) == ("a secret", "Pears")


def test_only_secrets_are_in_files() -> None:
    """`GATEPASS_SIGNUP_FILE` is no setting."""
    with pytest.raises(StartupError, match="Unknown setting"):
        load(environment={"GATEPASS_SIGNUP_FILE": "/dev/null"})


def test_whatever_is_never_shown_may_be_in_a_file() -> None:
    """What is kept out of `repr` can be kept out of the environment too."""
    shown = repr(Settings())
    assert {name for name in Settings.__struct_fields__ if f"'{name}':" not in shown} <= set(IN_FILES)


def test_every_section_is_part_of_the_settings() -> None:
    """A file with a section that nothing extends would hold settings that nobody can set."""
    names = [module.name for module in pkgutil.iter_modules(sections.__path__)]
    modules = [importlib.import_module(f"{sections.__name__}.{name}") for name in names]
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    structs = {each for each in found if issubclass(each, Section)}
    assert len(structs) > 10
    assert structs == {each for each in Settings.__mro__ if issubclass(each, Section)}


def test_what_is_loopback() -> None:
    """127.0.0.0/8, ::1, localhost and names under it."""
    assert all(map(is_loopback, ("localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("localhost.example", "128.0.0.1", "::", "0.0.0.0", "")))  # noqa: S104


def test_hs256_is_for_exactly_one_api() -> None:
    """No audience, or two, besides the issuer: refused. One: allowed."""
    for audience in ((), ("a", "b"), ("http://localhost:8000",)):
        with pytest.raises(StartupError, match="HS256"):
            load(flags={"alg": "HS256", "audience": audience})
    assert load(flags={"alg": "HS256", "audience": ("a",)}).alg == "HS256"


def test_the_issuer_defaults_to_the_loopback_url() -> None:
    """`http://localhost:PORT`, and first-party tokens are for it and for the audiences that are set."""
    assert load(flags={"port": 9_000}).issuer_url == "http://localhost:9000"
    settings = load(flags={"issuer": "https://auth.test/x", "audience": ("a", "https://auth.test/x")})
    assert settings.first_party_audience == ("https://auth.test/x", "a")


def test_the_master_key_is_never_shown() -> None:
    """Not in the repr of the settings."""
    assert "s3cret" not in repr(Settings(master_key="s3cret"))
    assert "master_key" not in repr(Settings(master_key="s3cret"))


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"port = 1\nport = 2\n"])
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    """Says so; so does one that is not there."""
    file = tmp_path / "gatepass.toml"
    file.write_bytes(content)
    with pytest.raises(StartupError, match="is not TOML"):
        load(file=file)
    with pytest.raises(StartupError, match="Cannot read"):
        load(file=tmp_path / "absent.toml")


TRUSTED = {
    "issuer": "https://corp.test",
    "jwks_url": "https://corp.test/jwks",
    "clients": ["cli_1"],
    "audiences": ["https://api.test"],
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"issuer": "corp.test"}, "issuer"),
        ({"issuer": "http://corp.test"}, "issuer"),
        ({"jwks_url": ""}, "keys"),
        ({"jwks_file": "keys.json"}, "keys"),
        ({"jwks_url": "http://corp.test/jwks"}, "jwks_url"),
        ({"jwks_url": "", "jwks_file": "/nowhere/keys.json"}, "public keys"),
        ({"clients": []}, "clients"),
        ({"audiences": []}, "audiences"),
        ({"issuer": "http://localhost:8000"}, "this server itself"),
    ],
)
def test_an_issuer_that_cannot_be_trusted_so(changed: dict[str, object], said: str) -> None:
    """Nothing is trusted by mistake: keys in one place, by https, for clients and APIs that are named."""
    with pytest.raises(StartupError, match=said):
        load(flags={"trusted_issuers": {"corp": TRUSTED | changed}})
    assert load(flags={"trusted_issuers": {"corp": TRUSTED}}).trusted_issuers["corp"].clients == ("cli_1",)


def test_an_issuer_is_trusted_by_one_table() -> None:
    """Of two tables, one would decide which clients may use its assertions, and nobody could tell which."""
    with pytest.raises(StartupError, match="twice"):
        load(flags={"trusted_issuers": {"corp": TRUSTED, "again": TRUSTED}})


def test_private_keys_are_no_keys_of_an_issuer(tmp_path: Path) -> None:
    """A file with private keys is in the wrong place."""
    file = tmp_path / "keys.json"
    file.write_text('{"keys": [{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "alg": "HS256"}]}')
    with pytest.raises(StartupError, match="public keys"):
        load(flags={"trusted_issuers": {"corp": {**TRUSTED, "jwks_url": "", "jwks_file": str(file)}}})
