"""`/organizations`: a person's own, and how to join and leave."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.organizations.administration import leave
from gatepass.server.features.organizations.accepting import accept
from gatepass.server.features.organizations.own import join, own_organizations
from gatepass.server.features.organizations.resources import OrganizationResource
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class OwnOrganization(Confidential, frozen=True, kw_only=True):
    """One of the caller's organizations: their roles there, and what these permit; `active`: the token is for it."""

    id: str
    slug: str
    name: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    active: bool


class OwnOrganizations(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's organizations, by slug, and the one that their address lets them join, if any."""

    organizations: tuple[OwnOrganization, ...]
    joinable: tuple[OrganizationResource, ...]


class JoinRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The id or slug of an organization that the caller's address lets them join."""

    organization: str


class Acceptance(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of the mailed link."""

    token: str


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/organizations",
            handler=partial(list_own, core),
            auth=CALLER,
            summary="List your organizations",
            answers={200: OwnOrganizations},
        ),
        Route(
            method="POST",
            path="/organizations/join",
            handler=partial(join_one, core),
            auth=CALLER,
            summary="Join the organization of the domain of your address",
            body=JoinRequest,
            answers={200: OrganizationResource},
            problems=("cannot_join",),
        ),
        Route(
            method="POST",
            path="/organizations/invitations/accept",
            handler=partial(accept_invitation, core),
            auth=CALLER,
            summary="Join an organization by an invitation",
            body=Acceptance,
            answers={200: OrganizationResource},
            problems=("invalid_invitation", "invitation_for_another", "address_not_verified", "already_a_member"),
        ),
        Route(
            method="POST",
            path="/organizations/{id}/leave",
            handler=partial(leave_one, core),
            auth=CALLER,
            summary="Leave an organization",
            answers={204: None},
            problems=("organization_not_found", "last_admin"),
        ),
    )


async def list_own(core: Core, call: Call, _body: None) -> Response:
    """Answer with the caller's."""
    found = await own_organizations(core.database, call.caller)
    await core.roles.look(core.database)
    shown = (
        OwnOrganization(
            id=each.organization.id,
            slug=each.organization.slug,
            name=each.organization.name,
            roles=each.roles,
            permissions=core.roles.permissions(each.roles),
            active=each.organization.id == found.active,
        )
        for each in found.memberships
    )
    joinable = () if found.joinable is None else (OrganizationResource.of(found.joinable),)
    return JsonResponse(OwnOrganizations(organizations=tuple(shown), joinable=joinable))


async def join_one(core: Core, call: Call, body: JoinRequest) -> Response:
    """Join by the domain."""
    return JsonResponse(OrganizationResource.of(await join(core, call, body.organization)))


async def accept_invitation(core: Core, call: Call, body: Acceptance) -> Response:
    """Join."""
    return JsonResponse(OrganizationResource.of(await accept(core, call.caller.user, body.token, call.origin)))


async def leave_one(core: Core, call: Call, _body: None) -> Response:
    """Leave."""
    await leave(core.database, core.list_keys, call.caller.user, call.path_params["id"], call.origin)
    return no_content()
