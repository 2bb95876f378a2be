"""Users of a Keycloak realm: the file of `kc.sh export`, or one of its `realm-users-N.json`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.spellings import read_keycloak
from gatepass.server.features.admin.imports.files import decoded, elements_of
from gatepass.server.features.admin.imports.foreign_user import (
    ForeignIdentity,
    ForeignUser,
    joined,
    read_rows,
    seconds_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source

_BUILT_IN_ROLES = ("offline_access", "uma_authorization")
_DEFAULT_ROLES = "default-roles-"
_NEW_PASSWORD = "UPDATE_PASSWORD"  # noqa: S105 - the name of an action
_NEW_ADDRESS = "VERIFY_EMAIL"


class _Provider(msgspec.Struct, frozen=True, rename="camel"):
    alias: str
    provider_id: str = ""
    config: dict[str, Any] = {}

    @property
    def kind(self) -> str:
        return "openid" if self.provider_id in ("oidc", "keycloak-oidc") else self.provider_id

    @property
    def issuer(self) -> str:
        return str(self.config.get("issuer") or "") if self.kind == "openid" else ""


class _KeycloakLink(msgspec.Struct, frozen=True, rename="camel"):
    identity_provider: str
    user_id: str
    user_name: str | None = None


class _Credential(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    secret_data: str | None = None
    credential_data: str | None = None
    temporary: bool = False


class _KeycloakUser(msgspec.Struct, frozen=True, rename="camel"):
    username: str
    id: str | None = None
    email: str | None = None
    email_verified: bool = False
    enabled: bool = True
    created_timestamp: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    service_account_client_id: str | None = None
    attributes: dict[str, list[str]] | None = None
    credentials: list[_Credential] = []
    required_actions: list[str] = []
    realm_roles: list[str] = []
    federated_identities: list[_KeycloakLink] = []


def read_realm(source: Source) -> Iterator[Row]:
    """The users of a realm. Its providers may stand after them, so the file is read twice."""
    providers: dict[str, _Provider] = {}
    for _, element in elements_of(source.path, "identityProviders"):
        if isinstance(element, bytes):
            provider = msgspec.convert(decoded(element), _Provider)
            providers[provider.alias] = provider
    return read_rows(elements_of(source.path, "users"), partial(_read, providers))


def _read(providers: Mapping[str, _Provider], element: bytes) -> ForeignUser | None:
    user = msgspec.convert(decoded(element), _KeycloakUser)
    if user.service_account_client_id is not None:
        return None  # stands for a client
    attributes = {name: values[0] if len(values) == 1 else values for name, values in (user.attributes or {}).items()}
    locale = attributes.pop("locale", "")
    email = user.email or (user.username if "@" in user.username else "")
    return ForeignUser(
        id=user.id,
        email=email,
        password=partial(_password, user),
        email_verified=user.email_verified and _NEW_ADDRESS not in user.required_actions,
        disabled=not user.enabled,
        roles=tuple(role for role in user.realm_roles if _is_the_applications(role)),
        created_at=seconds_of(user.created_timestamp),
        name=joined(user.first_name, user.last_name),
        locale=locale if isinstance(locale, str) else "",
        app_metadata=attributes | ({} if user.username == email else {"username": user.username}),
        identities=tuple(_identity(link, providers) for link in user.federated_identities),
        notes=tuple(_notes(user)),
    )


def _is_the_applications(role: str) -> bool:
    return role not in _BUILT_IN_ROLES and not role.startswith(_DEFAULT_ROLES)


def _password(user: _KeycloakUser) -> str | None:
    """The hash, unless the user had to choose another password at the next sign-in."""
    found = [each for each in user.credentials if each.type == "password"]
    if not found or _must_change(user):
        return None
    if found[0].secret_data is None or found[0].credential_data is None:
        raise Refusal("unknown_password_hash", "The file has the password itself, or a hash of Keycloak before 8.")
    return read_keycloak(secret_data=found[0].secret_data, credential_data=found[0].credential_data)


def _must_change(user: _KeycloakUser) -> bool:
    return _NEW_PASSWORD in user.required_actions or any(each.temporary for each in user.credentials)


def _notes(user: _KeycloakUser) -> Iterator[str]:
    if _must_change(user):
        yield "Without a password: Keycloak would have asked for another one at the next sign-in."
    for kind in sorted({each.type for each in user.credentials} - {"password"}):
        yield f"The second factor of type {kind} does not come along."
    for action in sorted({*user.required_actions} - {_NEW_PASSWORD, _NEW_ADDRESS}):
        yield f"The required action {action} does not come along."


def _identity(link: _KeycloakLink, providers: Mapping[str, _Provider]) -> ForeignIdentity:
    provider = providers.get(link.identity_provider, _Provider(link.identity_provider))
    name = link.user_name or ""
    return ForeignIdentity(
        provider=link.identity_provider,
        subject=link.user_id,
        email=name if "@" in name else "",
        kind=provider.kind,
        issuer=provider.issuer,
    )
