"""Files of other systems, read from fixtures that the systems' own libraries wrote (`scripts/import-fixtures`)."""

from __future__ import annotations

import json
import sqlite3
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import argon2
import pytest

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.providers import ProviderSettings
from gatepass.server.domain.credentials.passwords import foreign
from gatepass.server.features.admin.imports import files
from gatepass.server.features.admin.imports.files import elements_of, lines_of
from gatepass.server.features.admin.imports.foreign_user import ForeignUser, ImportPolicy, checked, seconds_of
from gatepass.server.features.admin.imports.import_file import rows_of
from gatepass.server.features.admin.imports.providers import LinkableProviders
from gatepass.server.features.admin.imports.source import look_at

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.imports import ImportedUser
    from gatepass.server.features.admin.imports.source import FormatName

PASSWORD = "old and known words"
FILES = Path(__file__).parents[2] / "vectors" / "imports"
POLICY = ImportPolicy(
    providers=LinkableProviders(
        {
            "google": ProviderSettings(client_id="c", client_secret="s"),
            "corp": ProviderSettings(client_id="c", issuer="https://login.acme.test"),
            "azure": ProviderSettings(kind="microsoft", client_id="c", client_secret="s", tenant="common"),
        }
    )
)
GOOGLE = "https://accounts.google.com"


def read(path: Path, format_name: FormatName | None = None, policy: ImportPolicy = POLICY) -> dict[str, Any]:
    """The users of a file by the part of their address before the @; of the others the code, by `line N`."""
    source = look_at(path)
    name = format_name or source.format
    assert name is not None
    found: dict[str, Any] = {}
    for line, row in rows_of(source, name, None):
        try:
            user = checked(row, policy) if isinstance(row, ForeignUser) else row
        except Refusal as error:
            user = error
        if isinstance(user, Refusal):
            found[f"line {line}"] = user.code
        else:
            found[user.email.partition("@")[0]] = user
    return found


def knows_the_password(user: ImportedUser) -> bool:
    """Whether the stored hash is that of the password, and no other's."""
    hashed = user.password_hash
    assert hashed is not None
    if foreign.is_foreign(hashed):
        return foreign.matches(PASSWORD, hashed) and not foreign.matches("another", hashed)
    return argon2.PasswordHasher().verify(hashed, PASSWORD)


def accounts(user: ImportedUser) -> set[tuple[str, str, str]]:
    """The connected accounts."""
    return {(each.provider, each.issuer, each.subject) for each in user.identities}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("keycloak.json", "keycloak"),
        ("auth0.ndjson", "auth0"),
        ("auth0-bulk.json", "auth0"),
        ("auth0-hashes.ndjson", "auth0"),
        ("supabase.json", "supabase"),
        ("supabase.csv", "supabase"),
        ("fastapi-users.sqlite3", "fastapi-users"),
        ("fastapi-users.csv", "fastapi-users"),
        ("fastapi-users.json", "fastapi-users"),
        ("django.sqlite3", "django"),
        ("django.json", "django"),
    ],
)
def test_the_format_is_found_by_itself(file: str, name: str) -> None:
    """Each file says by its shape and its names which system wrote it."""
    assert look_at(FILES / file).format == name


def test_a_realm_of_keycloak() -> None:
    """Hashes of every kind, roles without the built-in ones, attributes, accounts by issuer or kind; no clients."""
    found = read(FILES / "keycloak.json")
    assert list(found) == ["pbkdf2-sha256", "pbkdf2-sha512", "argon2", "bcrypt", "temporary"]
    ann = found["pbkdf2-sha256"]
    assert ann.id == str(uuid.uuid5(uuid.NAMESPACE_URL, "pbkdf2-sha256"))
    assert (ann.profile.name, ann.profile.locale, ann.roles) == ("Ann Lee", "de", ("editor",))
    assert ann.profile.app_metadata == {"plan": "pro", "tags": ["a", "b"], "username": "pbkdf2-sha256"}
    assert ann.profile.metadata == {}
    assert (ann.email_verified, ann.created_at, ann.disabled) == (True, 1_600_000_000, False)
    assert all(knows_the_password(found[name]) for name in ("pbkdf2-sha256", "pbkdf2-sha512", "argon2", "bcrypt"))
    assert found["pbkdf2-sha512"].disabled
    assert accounts(found["argon2"]) == {("corp", "https://login.acme.test", "00u1"), ("google", GOOGLE, "1150")}
    assert "facebook" in found["argon2"].notes[0]
    assert not found["bcrypt"].email_verified
    assert "CONFIGURE_TOTP" in found["bcrypt"].notes[0]
    assert found["temporary"].password_hash is None
    assert "asked for another one" in found["temporary"].notes[0]


def test_users_of_auth0() -> None:
    """An export has no hashes, a bulk import has ids without their prefix, and support sends hashes with raw ids."""
    found = read(FILES / "auth0.ndjson")
    ann, bob = found["ann"], found["bob"]
    assert (ann.id, ann.email_verified, ann.created_at) == ("auth0|5f7c8ec7c33c6c004bbafe82", True, 1_601_998_567)
    assert (ann.profile.metadata, ann.profile.app_metadata) == ({"color": "blue"}, {"plan": "pro"})
    assert accounts(ann) == {("google", GOOGLE, "1150")}
    assert (bob.id, bob.disabled, accounts(bob)) == ("google-oauth2|1151", True, {("google", GOOGLE, "1151")})
    cid = read(FILES / "auth0-hashes.ndjson")["cid"]
    assert cid.id == "auth0|60425dc43519d90068f82973"
    bulk = read(FILES / "auth0-bulk.json")
    assert all(map(knows_the_password, (cid, bulk["bcrypt"], bulk["argon2"], bulk["pbkdf2"], bulk["scrypt"])))
    assert (bulk["bcrypt"].id, bulk["bare"].password_hash, bulk["bare"].disabled) == ("auth0|a1", None, True)
    assert bulk["bare"].notes == ("The second factors do not come along.",)
    assert [code for name, code in bulk.items() if name.startswith("line")] == ["unknown_password_hash"]
    lenient = read(
        FILES / "auth0-bulk.json", policy=ImportPolicy(providers=POLICY.providers, with_unknown_passwords=True)
    )
    assert lenient["md5"].password_hash is None
    assert "md5" in lenient["md5"].notes[0]


@pytest.mark.parametrize("file", ["supabase.json", "supabase.csv"])
def test_users_of_supabase(file: str) -> None:
    """CSV and JSON say the same; the deleted stay behind, the anonymous are named, a ban that lasts disables."""
    found = read(FILES / file)
    ann, bob = found["ann"], found["bob"]
    assert (ann.id, ann.email_verified, ann.created_at) == ("9524b3c8-274f-4b2d-9bd5-45e413478c7b", True, 1_738_883_225)
    assert (ann.profile.name, ann.profile.app_metadata["plan"]) == ("Ann Lee", "pro")
    assert accounts(ann) == {("google", GOOGLE, "1150")}
    assert knows_the_password(ann)
    assert (bob.email_verified, bob.disabled, ann.disabled) == (False, True, False)
    assert [code for name, code in found.items() if name.startswith("line")] == ["invalid_email"]
    assert len(found) == 3


@pytest.mark.parametrize("file", ["fastapi-users.sqlite3", "fastapi-users.csv", "fastapi-users.json"])
def test_users_of_fastapi_users(file: str) -> None:
    """Ids as in the `sub` of its tokens, both kinds of hashes, and connected accounts where their table is there."""
    found = read(FILES / file)
    assert list(found) == ["argon2", "bcrypt", "gone"]
    assert found["argon2"].id == "00000000-0000-0000-0000-000000000001"
    assert all(map(knows_the_password, found.values()))
    assert [user.email_verified for user in found.values()] == [True, False, True]
    assert [user.disabled for user in found.values()] == [False, False, True]
    assert [user.profile.app_metadata for user in found.values()] == [{"is_superuser": True}, {}, {}]
    linked: set[tuple[str, str, str]] = {("google", GOOGLE, "1150")} if file.endswith("sqlite3") else set()
    assert accounts(found["bcrypt"]) == linked


@pytest.mark.parametrize("file", ["django.sqlite3", "django.json"])
def test_users_of_django(file: str) -> None:
    """Every hasher of Django, `!` as no password, groups as roles; who has no address is named."""
    found = read(FILES / file)
    hashers = ["pbkdf2_sha256", "argon2", "bcrypt_sha256", "scrypt"]
    assert list(found)[:-1] == [*hashers, "unusable", "gone"]
    assert [code for name, code in found.items() if name.startswith("line")] == ["invalid_email"]
    assert all(knows_the_password(found[name]) for name in hashers)
    assert all(found[name].roles == ("editors",) for name in hashers)
    assert (found["argon2"].id, found["argon2"].profile.name) == ("2", "Ann Lee")
    assert (found["unusable"].password_hash, found["unusable"].roles) == (None, ())
    assert (found["gone"].disabled, found["gone"].profile.app_metadata) == (
        True,
        {"is_staff": True, "username": "gone"},
    )
    with_addresses = read(
        FILES / file, policy=ImportPolicy(providers=POLICY.providers, are_verified=True, with_roles=False)
    )
    assert with_addresses["argon2"].email_verified
    assert with_addresses["argon2"].roles == ()


def test_lines_of_records_are_those_of_the_file(tmp_path: Path) -> None:
    """Also in arrays, of which the elements span lines; what is no object, and where the file breaks off, is named."""
    file = tmp_path / "users.json"
    file.write_text('[\n  {\n    "email": "a@b.test",\n    "name": "]}\\"[,"\n  },\n\n  17,\n  {"email": "c@d.test"')
    found = list(elements_of(file))
    assert [line for line, _ in found] == [2, 7, 8]
    assert isinstance(found[-1][1], Refusal)
    told = read(file, "auth0")
    assert [told["a"].profile.name, told["line 7"], told["line 8"]] == [']}"[,', "invalid_body", "invalid_body"]


def test_a_record_without_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line or an element of a gigabyte is refused as soon as it is longer than any that can be imported."""
    monkeypatch.setattr(files, "MOST_BYTES", 4_096)
    monkeypatch.setattr(files, "_CHUNK", 512)
    file = tmp_path / "users.json"
    file.write_bytes(b'[{"email": "' + b"a" * 8_192 + b'"}]')
    assert [code.code for _, code in elements_of(file) if isinstance(code, Refusal)] == ["invalid_body"]
    file.write_bytes(b'{"email": "' + b"a" * 8_192 + b'"}\n{"email": "a@b.test"}')
    assert [isinstance(text, Refusal) for _, text in lines_of(file)] == [True, False]


@pytest.mark.parametrize("chunk", [1, 2, 7, 61])
def test_a_file_is_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Wherever a piece ends, in a string, behind a backslash or between elements, elements and lines stay the same."""
    whole = list(elements_of(FILES / "keycloak.json", "users", "identityProviders"))
    monkeypatch.setattr(files, "_CHUNK", chunk)
    assert list(elements_of(FILES / "keycloak.json", "users", "identityProviders")) == whole
    assert len(whole) == 9


def test_a_dump_may_be_compact_and_a_table_have_another_name(tmp_path: Path) -> None:
    """A realm on one line, users before groups, a model of one's own in SQLite."""
    file = tmp_path / "users"
    file.write_text(json.dumps(json.loads((FILES / "keycloak.json").read_text())))
    assert len(read(file)) == 5
    objects = json.loads((FILES / "django.json").read_text())
    file.write_text(json.dumps(objects[::-1]))
    assert read(file)["argon2"].roles == ("editors",)
    connection = sqlite3.connect(tmp_path / "own.sqlite3")
    connection.execute("CREATE TABLE shop_person (id, email, password, last_login, is_active)")
    connection.execute("INSERT INTO shop_person VALUES (7, 'ann@example.test', '!', NULL, 1)")
    connection.commit()
    connection.close()
    assert read(tmp_path / "own.sqlite3")["ann"].id == "7"


def test_a_provider_is_known_by_its_issuer_or_its_kind() -> None:
    """A name alone connects nothing where the file says that it stands for another issuer, or none can be told."""
    realm = read(FILES / "keycloak.json", policy=ImportPolicy(providers=LinkableProviders({})))
    assert accounts(realm["argon2"]) == set()
    acme = ProviderSettings(client_id="c", issuer="https://elsewhere.test")
    realm = read(FILES / "keycloak.json", policy=ImportPolicy(providers=LinkableProviders({"acme": acme})))
    assert accounts(realm["argon2"]) == set()


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2025-02-06 23:07:05.487861+00", 1_738_883_225),
        ("2025-02-06T23:07:05Z", 1_738_883_225),
        ("2025-02-07 00:07:05+01:00", 1_738_883_225),
        (1_738_883_225_487, 1_738_883_225),
        ("yesterday", None),
        (None, None),
        (-1, None),
    ],
)
def test_times_of_other_systems(moment: str | int | None, seconds: int | None) -> None:
    """PostgreSQL, ISO 8601, milliseconds; what cannot be understood is left out."""
    assert seconds_of(moment) == seconds
