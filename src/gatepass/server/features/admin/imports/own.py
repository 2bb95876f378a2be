"""Our own format: lines of JSON, for systems whose files we do not read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.spellings import read_firebase, read_hash, read_keycloak
from gatepass.server.features.admin.imports.files import decoded, lines_of
from gatepass.server.features.admin.imports.foreign_user import ForeignIdentity, ForeignUser, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatepass.server.domain.credentials.passwords.spellings import FirebaseProject
    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source


class KeycloakCredential(Confidential, frozen=True, kw_only=True, rename="camel"):
    """A `password` credential as in a realm's export; both fields are JSON in a string."""

    secret_data: str
    credential_data: str


class FirebaseUser(Confidential, frozen=True, kw_only=True, rename={"password_hash": "passwordHash"}):
    """The password fields of a user in `firebase auth:export`."""

    password_hash: str
    salt: str


class LinkedAccount(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at a provider of the settings; `subject` is its `sub` there."""

    provider: str
    subject: str
    email: str = ""


class ImportedLine(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file to import."""

    email: str
    id: str | None = None
    password_hash: str | None = None
    keycloak: KeycloakCredential | None = None
    firebase: FirebaseUser | None = None
    email_verified: bool = False
    disabled: bool = False
    roles: tuple[str, ...] = ()
    created_at: Annotated[int, Meta(ge=0)] | None = None
    name: str = ""
    locale: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    app_metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    identities: tuple[LinkedAccount, ...] = ()


def read_own(source: Source, project: FirebaseProject | None = None) -> Iterator[Row]:
    """The users. `project` holds the hash parameters of the Firebase project that the file comes from."""
    return read_rows(lines_of(source.path), partial(_read, project))


def _read(project: FirebaseProject | None, text: bytes) -> ForeignUser:
    line = msgspec.convert(decoded(text), ImportedLine)
    return ForeignUser(
        id=line.id,
        email=line.email,
        password=partial(_password_hash, line, project),
        email_verified=line.email_verified,
        disabled=line.disabled,
        roles=line.roles,
        created_at=line.created_at,
        name=line.name,
        locale=line.locale,
        metadata=line.metadata,
        app_metadata=line.app_metadata,
        identities=tuple(
            ForeignIdentity(provider=each.provider, subject=each.subject, email=each.email) for each in line.identities
        ),
    )


def _password_hash(line: ImportedLine, project: FirebaseProject | None) -> str | None:
    """The one password hash of the line; without one, the user cannot sign in by password until one is set."""
    given = [each for each in (line.password_hash, line.keycloak, line.firebase) if each is not None]
    match given:
        case []:
            return None
        case [str() as text]:
            return read_hash(text)
        case [KeycloakCredential() as credential]:
            return read_keycloak(secret_data=credential.secret_data, credential_data=credential.credential_data)
        case [FirebaseUser() as user] if project is not None:
            return read_firebase(password_hash=user.password_hash, salt=user.salt, project=project)
        case _:
            raise Refusal(
                "unknown_password_hash", "A line has at most one hash; Firebase hashes also need --firebase FILE."
            )
