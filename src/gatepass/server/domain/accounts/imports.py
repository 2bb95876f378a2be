"""Users imported from another system, read from lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import check_role, check_user_id, normalise_email
from gatepass.server.domain.credentials.passwords.spellings import read_firebase, read_hash, read_keycloak

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.passwords.spellings import FirebaseProject


_DEPTH = 8
_ID = r"^(?!cli_)[A-Za-z0-9][A-Za-z0-9_.:|@-]{0,127}$"
"""Ids that may become the `sub` of tokens. Client ids are excluded, because tokens of clients use them there."""


class ImportedUser(Confidential, frozen=True, kw_only=True):
    """A user to import. `password_hash` is in our stored format, `created_at` in seconds since 1970."""

    id: str | None
    email: str
    password_hash: str | None
    email_verified: bool
    disabled: bool
    roles: tuple[str, ...]
    created_at: int | None


class KeycloakCredential(Confidential, frozen=True, kw_only=True, rename="camel"):
    """A `password` credential as in a realm's export; both fields are JSON in a string."""

    secret_data: str
    credential_data: str


class FirebaseUser(Confidential, frozen=True, kw_only=True, rename={"password_hash": "passwordHash"}):
    """The password fields of a user in `firebase auth:export`."""

    password_hash: str
    salt: str


class ImportedLine(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file to import."""

    email: str
    id: Annotated[str, Meta(pattern=_ID)] | None = None
    password_hash: str | None = None
    keycloak: KeycloakCredential | None = None
    firebase: FirebaseUser | None = None
    email_verified: bool = False
    disabled: bool = False
    roles: tuple[str, ...] = ()
    created_at: Annotated[int, Meta(ge=0)] | None = None


def read_imported_user(line: bytes, project: FirebaseProject | None = None) -> ImportedUser:
    """Read one line. `project` holds the hash parameters of the Firebase project that the file comes from.

    Raises:
        Refusal: `invalid_body`, `invalid_email`, `invalid_user_id`, `invalid_role` or `unknown_password_hash`.
    """
    try:
        found = msgspec.json.decode(line, type=ImportedLine)
        decode_object(line.strip(), _DEPTH)  # with duplicate members, the last would win silently
    except msgspec.ValidationError as error:
        raise Refusal("invalid_body", f"{error}.") from error
    except (msgspec.MsgspecError, MalformedError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_body", "The line is not a JSON object, or has a duplicate member.") from error
    return ImportedUser(
        id=None if found.id is None else check_user_id(found.id),
        email=normalise_email(found.email),
        password_hash=_password_hash(found, project),
        email_verified=found.email_verified,
        disabled=found.disabled,
        roles=tuple(map(check_role, found.roles)),
        created_at=found.created_at,
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
