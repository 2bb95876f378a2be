"""What calls take and answer. Times are RFC 3339."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import asdict

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.texts import Language  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.web.paging import PageQuery, rfc3339

if TYPE_CHECKING:
    from gatepass.server.domain.organizations.administration import OrganizationView
    from gatepass.server.domain.organizations.domain import OrganizationDomain
    from gatepass.server.domain.organizations.invitation import Invitation
    from gatepass.server.domain.organizations.member import Member, Membership
    from gatepass.server.domain.organizations.organization import Organization


class OrganizationResource(Confidential, frozen=True, kw_only=True):
    """An organization."""

    id: str
    slug: str
    name: str
    created_at: datetime

    @classmethod
    def of(cls, organization: Organization) -> OrganizationResource:
        """Show it."""
        return OrganizationResource(
            id=organization.id,
            slug=organization.slug,
            name=organization.name,
            created_at=rfc3339(organization.created_at),
        )


class OrganizationDetail(OrganizationResource, frozen=True, kw_only=True):
    """An organization, what operators have written of it, and how many members it has."""

    metadata: dict[str, Any]
    members: int

    @classmethod
    def of_view(cls, view: OrganizationView) -> OrganizationDetail:
        """Show it whole."""
        fields = asdict(OrganizationResource.of(view.organization))
        return cls(**fields, metadata=view.organization.metadata, members=view.members)


class OrganizationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of organizations, by slug; `next` is the cursor of the following one, or null."""

    organizations: tuple[OrganizationResource, ...]
    next: str | None


class OrganizationsQuery(PageQuery, frozen=True, kw_only=True):
    """Which organizations."""

    search: Annotated[str, Meta(max_length=100, description="How the slug or the id begins.")] = ""


class NewOrganization(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new organization. `slug` is what it is called in URLs."""

    slug: str
    name: str
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class MemberResource(Confidential, frozen=True, kw_only=True):
    """A member, and their roles in the organization."""

    id: str
    email: str
    roles: tuple[str, ...]
    joined_at: datetime

    @classmethod
    def of(cls, member: Member) -> MemberResource:
        """Show one."""
        return cls(id=member.user_id, email=member.email, roles=member.roles, joined_at=rfc3339(member.joined_at))


class MemberPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of members, by email address; `next` is the cursor of the following one, or null."""

    members: tuple[MemberResource, ...]
    next: str | None


class MembersQuery(PageQuery, frozen=True, kw_only=True):
    """Which members."""

    search: Annotated[str, Meta(max_length=254, description="How the email address begins.")] = ""


class MembershipResource(Confidential, frozen=True, kw_only=True):
    """One of the organizations of a person, and their roles there."""

    id: str
    slug: str
    name: str
    roles: tuple[str, ...]
    joined_at: datetime

    @classmethod
    def of(cls, membership: Membership) -> MembershipResource:
        """Show one."""
        found = membership.organization
        return cls(
            id=found.id,
            slug=found.slug,
            name=found.name,
            roles=membership.roles,
            joined_at=rfc3339(membership.joined_at),
        )


class MembershipList(msgspec.Struct, frozen=True):
    """Every organization of a person, by slug."""

    organizations: tuple[MembershipResource, ...]


class NewMember(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person with an account, by id or email address."""

    user: str
    roles: tuple[str, ...] = ()


class MemberPatch(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The roles of a member, in the place of the former ones."""

    roles: tuple[str, ...]


class NewInvitation(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite, with which roles, and in which language; by default that of the request."""

    email: str
    roles: tuple[str, ...] = ()
    language: Language | None = None


class InvitationResource(Confidential, frozen=True, kw_only=True):
    """An invitation that waits to be accepted. Its link is in the mail alone."""

    id: str
    email: str
    roles: tuple[str, ...]
    invited_by: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invitation: Invitation) -> InvitationResource:
        """Show one."""
        return cls(
            id=invitation.id,
            email=invitation.email,
            roles=invitation.roles,
            invited_by=invitation.inviter,
            created_at=rfc3339(invitation.created_at),
            expires_at=rfc3339(invitation.expires_at),
        )


class InvitationList(msgspec.Struct, frozen=True):
    """Every invitation that waits, by address."""

    invitations: tuple[InvitationResource, ...]


class DomainPatch(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The provider that people of the domain have to sign in with; empty: they join by themselves."""

    provider: str


class NewDomain(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An email domain that the organization is to prove, and the provider, as above."""

    domain: str
    provider: str = ""


class DomainResource(Confidential, frozen=True, kw_only=True):
    """A domain, and the DNS record that proves it; `missing_since`: the record was there and is not any more."""

    domain: str
    provider: str
    verified: bool
    record_name: str
    record_value: str
    verified_at: datetime | None
    checked_at: datetime | None
    missing_since: datetime | None

    @classmethod
    def of(cls, domain: OrganizationDomain) -> DomainResource:
        """Show one."""
        return cls(
            domain=domain.domain,
            provider=domain.provider,
            verified=domain.verified_at is not None,
            record_name=domain.record_name,
            record_value=domain.record_value,
            verified_at=_time(domain.verified_at),
            checked_at=_time(domain.checked_at),
            missing_since=_time(domain.missed_at),
        )


class DomainList(msgspec.Struct, frozen=True):
    """Every domain, by name."""

    domains: tuple[DomainResource, ...]


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else rfc3339(seconds)
