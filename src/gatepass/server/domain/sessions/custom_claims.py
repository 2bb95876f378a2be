"""The application's own claims: what the settings map and plugins add, for whom each token is.

They are read after the transaction that the token comes of. A change of what operators decide revokes the status
indexes of that moment, so a token with claims from before the change is dead with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog

from gatepass.server.base.custom_claims import ClaimMistake, check_claims
from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.accounts.profile import UserProfile, found_at
from gatepass.server.domain.accounts.user import application_roles
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.operator import is_for_operators

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from gatepass.server.base.custom_claims import ClaimMap, ClaimSource
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.role_table import RoleTable
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.hooks.asking import HookFailures
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import ActiveOrganization, TokenSubject
    from gatepass.server.domain.sessions.subject_identifier import SubjectIdentifiers

log = structlog.get_logger("gatepass")

_APP_METADATA = ("user", "app_metadata")
_ORGANIZATION_METADATA = ("organization", "metadata")
_OF_SCOPE_EMAIL = (("user", "email"), ("user", "email_verified"))
_OF_SCOPE_ROLES = (("roles",), ("permissions",))


class ClaimsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a first-party access token is about. What people edit themselves is not here, for it decides nothing.

    Attributes:
        user_id: The person's id.
        email: Their address.
        email_verified: Whether they have proved it.
        roles: Their roles.
        permissions: What these permit.
        app_metadata: What operators have written about them.
        organization_id: The organization that the token is for; empty for none.
        organization_roles: Their roles there.
        organization_permissions: What these permit there.
        session_id: The sign-in.
        audience: The APIs that the token is for.
        scope: What it allows.
    """

    user_id: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    app_metadata: dict[str, Any]
    organization_id: str
    organization_roles: tuple[str, ...]
    organization_permissions: tuple[str, ...]
    session_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]


class ExtraClaims(msgspec.Struct, frozen=True):
    """A plugin's function, and the plugin's name for the log. It raises `Unavailable` where it gives no answer."""

    name: str
    read: Callable[[ClaimsRequest], Awaitable[Mapping[str, object]]]


class _Documents(msgspec.Struct, frozen=True):
    """What is read for claims that come from documents."""

    profile: UserProfile = UserProfile()
    organization: dict[str, Any] = {}


class CustomClaims:
    """What the application has asked for in tokens.

    Args:
        database: The store.
        settings: The claims that are mapped.
        roles: What roles permit.
        subjects: Who people are to clients.
        extra: What plugins add to first-party tokens.
        failures: Where it is noted that one fails.
    """

    def __init__(  # noqa: PLR0913 - whose claims, of what, and what else
        self,
        database: Database,
        settings: Settings,
        roles: RoleTable,
        subjects: SubjectIdentifiers,
        *,
        failures: HookFailures,
        extra: Sequence[ExtraClaims] = (),
    ) -> None:
        self._database = database
        self._roles = roles
        self._subjects = subjects
        self.extra = tuple(extra)
        self._failures = failures
        maps = settings.claim_maps
        self._first_party = maps["claims"]
        self._of_apis = {
            audience: (maps[f"apis.{audience}.claims"], api.claims_scope) for audience, api in settings.apis.items()
        }
        self._of_id_tokens = settings.id_claim_map

    async def of_access_token(self, subject: TokenSubject) -> dict[str, object]:
        """The claims of a person's access token. Other applications have those of APIs, with the scope for that.

        Raises:
            Unavailable: `claims_unavailable`, when a plugin gives none that can stand in a token.
        """
        if is_for_operators(subject.scope):
            return {}
        sources = self._sources(subject)
        is_first_party = subject.client_id == FIRST_PARTY
        table = await self._table(subject.roles, subject.organization)
        claims = _permissions(subject, table) if is_first_party else {}
        asks_plugins = is_first_party and bool(self.extra)
        if not sources and not asks_plugins:
            return claims
        needs_user = asks_plugins or any(source.is_of_user for source in sources.values())
        user, documents = await self._read(sources, subject.user_id if needs_user else "", subject.organization)
        facts = (
            self._facts_of_sign_in(subject, table)
            | _facts_of_organization(subject.organization, table)
            | _facts_of_person(user, documents.profile)
        )
        claims |= _resolved(sources, facts, documents)
        if asks_plugins and user is not None:
            await self._add_extra(claims, self._request(subject, user, documents.profile, table))
        return claims

    async def about_person(
        self, user_id: str, *, sub: str, scope: Collection[str], organization: ActiveOrganization | None
    ) -> dict[str, object]:
        """The claims of ID tokens and UserInfo that these scopes tell."""
        sources = {name: each for name, each in self._of_id_tokens.items() if _scope_of(each) in scope}
        if not sources:
            return {}
        user, documents = await self._read(sources, user_id, organization)
        if user is None:
            return {}
        roles = application_roles(user.roles)
        table = await self._table(roles, organization)
        permissions = table.permissions(roles)
        facts: dict[tuple[str, ...], object] = {
            ("user", "id"): sub,
            ("roles",): roles or None,
            ("permissions",): permissions or None,
        }
        facts |= _facts_of_organization(organization, table) | _facts_of_person(user, documents.profile)
        return _resolved(sources, facts, documents)

    def names_of(self, facts: Collection[str], scope: Collection[str]) -> tuple[str, ...]:
        """The claims of ID tokens and UserInfo that these scopes tell, and that say one of these facts of a person."""
        return tuple(
            name
            for name, each in self._of_id_tokens.items()
            if _scope_of(each) in scope and each.path and each.path[each.path[0] == "user"] in facts
        )

    def _sources(self, subject: TokenSubject) -> ClaimMap:
        is_first_party = subject.client_id == FIRST_PARTY
        found = dict(self._first_party) if is_first_party else {}
        for audience in subject.audience:
            of_api, scope = self._of_apis.get(audience, ({}, ""))
            if is_first_party or (scope and scope in subject.scope):
                found |= of_api
        return found

    async def _table(self, roles: tuple[str, ...], organization: ActiveOrganization | None) -> RoleTable:
        """What roles permit at this moment; people without any need no look into the store."""
        if not application_roles(roles) and not (organization and organization.roles):
            return self._roles
        return self._roles.with_stored(await self._database.read(lambda tx: tx.roles.all()))

    def _facts_of_sign_in(self, subject: TokenSubject, table: RoleTable) -> dict[tuple[str, ...], object]:
        return {
            ("user", "id"): self._subjects.subject(subject.client_sector, subject.user_id),
            ("session", "id"): self._subjects.session(subject.client_sector, subject.session_id),
            ("session", "auth_time"): int(subject.auth_time) or None,
            ("session", "acr"): subject.acr,
            ("session", "amr"): subject.amr,
            ("client", "id"): subject.client_id,
            ("roles",): application_roles(subject.roles) or None,
            ("permissions",): table.permissions(subject.roles) or None,
        }

    def _request(self, subject: TokenSubject, user: User, profile: UserProfile, table: RoleTable) -> ClaimsRequest:
        organization_roles = () if subject.organization is None else subject.organization.roles
        return ClaimsRequest(
            user_id=user.id,
            email=user.email,
            email_verified=user.email_verified_at is not None,
            roles=application_roles(subject.roles),
            permissions=table.permissions(subject.roles),
            app_metadata=profile.app_metadata,
            organization_id="" if subject.organization is None else subject.organization.id,
            organization_roles=organization_roles,
            organization_permissions=table.permissions(organization_roles),
            session_id=subject.session_id,
            audience=subject.audience,
            scope=subject.scope,
        )

    async def _add_extra(self, claims: dict[str, object], request: ClaimsRequest) -> None:
        """Add what plugins return; none of it takes the place of what is there."""
        for extra in self.extra:
            try:
                claims |= await _checked(extra, request, taken=claims.keys())
            except Unavailable:
                await self._failures.note(extra.name, "extra_claims")
                raise

    async def _read(
        self, sources: ClaimMap, user_id: str, organization: ActiveOrganization | None
    ) -> tuple[User | None, _Documents]:
        """Read the account, if there is an id, and the organization, if a claim is of it."""
        needed = any(source.is_of_organization for source in sources.values())
        organization_id = organization.id if needed and organization is not None else ""
        if not user_id and not organization_id:
            return None, _Documents()

        async def unit(tx: Transaction) -> tuple[User | None, _Documents]:
            user, profile = None, UserProfile()
            if user_id:
                user, profile = await tx.users.by_id(user_id), await tx.profiles.of(user_id)
            found = await tx.organizations.find(organization_id) if organization_id else None
            return user, _Documents(profile, {} if found is None else found.metadata)

        return await self._database.read(unit)


async def _checked(extra: ExtraClaims, request: ClaimsRequest, *, taken: Collection[str]) -> Mapping[str, object]:
    returned = await extra.read(request)
    try:
        check_claims(returned)
    except ClaimMistake as mistake:
        raise claims_unavailable(extra.name, mistake.what) from None
    if double := sorted(set(taken) & returned.keys()):
        raise claims_unavailable(extra.name, f"{double[0]} is there already")
    return returned


def claims_unavailable(hook: str, why: str) -> Unavailable:
    """The refusal of a token that would lack what a hook adds: an API might take that for less than it is."""
    return Unavailable(
        "claims_unavailable",
        "What the token has to say cannot be found out just now: try again shortly.",
        private=f"the hook {hook} gives no claims: {why}",
        retry_after=5,
    )


def app_metadata_in_tokens(settings: Settings, *, has_plugins: bool) -> frozenset[tuple[str, ...]]:
    """The paths in `app_metadata` that live tokens may carry; the whole, where a hook may have read it."""
    if has_plugins or settings.claims_url:
        return frozenset({()})
    return _paths_in_tokens(settings, _APP_METADATA)


def organization_metadata_in_tokens(settings: Settings) -> frozenset[tuple[str, ...]]:
    """The paths in the metadata of organizations that live tokens may carry."""
    return _paths_in_tokens(settings, _ORGANIZATION_METADATA)


def _paths_in_tokens(settings: Settings, document: tuple[str, str]) -> frozenset[tuple[str, ...]]:
    sources = [source for each in settings.claim_maps.values() for source in each.values()]
    return frozenset(source.path[2:] for source in sources if source.path[:2] == document)


def _permissions(subject: TokenSubject, table: RoleTable) -> dict[str, object]:
    """What the roles permit: in the organization apart from everywhere, so that neither is taken for the other."""
    there = () if subject.organization is None else table.permissions(subject.organization.roles)
    permissions = {"permissions": table.permissions(subject.roles), "org_permissions": there}
    return {name: each for name, each in permissions.items() if each}


def _facts_of_organization(organization: ActiveOrganization | None, table: RoleTable) -> dict[tuple[str, ...], object]:
    if organization is None:
        return {}
    return {
        ("organization", "id"): organization.id,
        ("organization", "slug"): organization.slug,
        ("organization", "name"): organization.name,
        ("organization", "roles"): organization.roles or None,
        ("organization", "permissions"): table.permissions(organization.roles) or None,
    }


def _facts_of_person(user: User | None, profile: UserProfile) -> dict[tuple[str, ...], object]:
    if user is None:
        return {}
    return {
        ("user", "email"): user.email,
        ("user", "email_verified"): user.email_verified_at is not None,
        ("user", "name"): profile.name or None,
        ("user", "locale"): profile.locale or None,
        ("user", "created_at"): int(user.created_at),
    }


def _resolved(sources: ClaimMap, facts: Mapping[tuple[str, ...], object], documents: _Documents) -> dict[str, object]:
    """What there is: a claim of nothing is left out."""
    found = {name: _value(source, facts, documents) for name, source in sources.items()}
    return {name: value for name, value in found.items() if value is not None}


def _value(source: ClaimSource, facts: Mapping[tuple[str, ...], object], documents: _Documents) -> object:
    match source.path:
        case ():
            return cast("object", source.value)
        case ("user", "app_metadata", *members):
            return found_at(tuple(members), documents.profile.app_metadata)
        case ("user", "metadata", *members):
            return found_at(tuple(members), documents.profile.metadata)
        case ("organization", "metadata", *members):
            return found_at(tuple(members), documents.organization)
        case path:
            return facts.get(path)


def _scope_of(source: ClaimSource) -> str:
    """The scope by which people allow an application to know it."""
    if source.path in _OF_SCOPE_EMAIL:
        return "email"
    return "roles" if source.path in _OF_SCOPE_ROLES else "profile"
