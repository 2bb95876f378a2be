"""People who move in from another system, as lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gatepass.jose.errors import MalformedError
from gatepass.jose.strict_json import decode_object
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import check_role, normalise_email
from gatepass.server.domain.credentials.passwords.spellings import read_firebase, read_hash, read_keycloak

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.passwords.spellings import FirebaseProject


_DEPTH = 8
_ID = r"^(?!cli_)[A-Za-z0-9][A-Za-z0-9_.:|@-]{0,127}$"
"""What becomes the `sub` of tokens; never a client's, whose tokens name it there."""


class ImportedUser(Confidential, frozen=True, kw_only=True):
    """Somebody to make an account for. `password_hash` as we keep it, `created_at` in seconds since 1970."""

    id: str | None
    email: str
    password_hash: str | None
    email_verified: bool
    disabled: bool
    roles: tuple[str, ...]
    created_at: int | None


class KeycloakCredential(Confidential, frozen=True, kw_only=True, rename="camel"):
    """A `password` credential as a realm's export has it; both are JSON in a string."""

    secret_data: str
    credential_data: str


class FirebaseUser(Confidential, frozen=True, kw_only=True, rename={"password_hash": "passwordHash"}):
    """What `firebase auth:export` has of a password."""

    password_hash: str
    salt: str


class ImportedLine(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file."""

    email: str
    id: Annotated[str, Meta(pattern=_ID)] | None = None
    password_hash: str | None = None
    keycloak: KeycloakCredential | None = None
    firebase: FirebaseUser | None = None
    email_verified: bool = False
    disabled: bool = False
    roles: tuple[str, ...] = ()
    created_at: Annotated[int, Meta(ge=0)] | None = None


def read_newcomer(line: bytes, project: FirebaseProject | None = None) -> ImportedUser:
    """Read one line. `project`: the parameters of the Firebase project that the file comes from.

    Raises:
        Refusal: `invalid_body`, `invalid_email`, `invalid_role` or `unknown_password_hash`.
    """
    try:
        found = msgspec.json.decode(line, type=ImportedLine)
        decode_object(line.strip(), _DEPTH)  # of two members of one name the last would be taken
    except msgspec.ValidationError as error:
        raise Refusal("invalid_body", f"{error}.") from error
    except (msgspec.MsgspecError, MalformedError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_body", "The line is not a JSON object that names each member once.") from error
    return ImportedUser(
        id=found.id,
        email=normalise_email(found.email),
        password_hash=_password_hash(found, project),
        email_verified=found.email_verified,
        disabled=found.disabled,
        roles=tuple(map(check_role, found.roles)),
        created_at=found.created_at,
    )


def _password_hash(line: ImportedLine, project: FirebaseProject | None) -> str | None:
    """The one hash of the line; without any, nobody signs in by password before one is set."""
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
            raise Refusal("unknown_password_hash", "A line has one hash; Firebase's need the project's parameters.")
