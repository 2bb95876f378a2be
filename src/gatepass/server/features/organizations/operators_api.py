"""`/admin/organizations`: listing, making, changing and removing organizations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.organizations.administration import OrganizationPatch
from gatepass.server.domain.organizations.organization import OrganizationFilter
from gatepass.server.features.organizations.members_api import administration, operator_of
from gatepass.server.features.organizations.resources import (
    MemberResource,
    MembershipList,
    MembershipResource,
    NewMember,
    NewOrganization,
    OrganizationDetail,
    OrganizationPage,
    OrganizationResource,
    OrganizationsQuery,
)
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import cursor_of, key_of
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.organizations.administration import OrganizationAdministration
    from gatepass.server.web.call import Call

_ONE = "/admin/organizations/{id}"
_MISSING = "organization_not_found"


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="GET",
            path="/admin/organizations",
            handler=partial(list_organizations, core),
            auth=OPERATOR_READ,
            summary="List organizations, by how their slug or id begins",
            query=OrganizationsQuery,
            answers={200: OrganizationPage},
        ),
        Route(
            method="POST",
            path="/admin/organizations",
            handler=partial(create, core),
            auth=OPERATOR_WRITE,
            summary="Add an organization",
            body=NewOrganization,
            answers={201: OrganizationResource},
            problems=("invalid_organization", "slug_taken", "metadata_too_large"),
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show, core),
            auth=OPERATOR_READ,
            summary="Show an organization",
            answers={200: OrganizationDetail},
            problems=(_MISSING,),
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change, core),
            auth=OPERATOR_WRITE,
            summary="Change an organization",
            body=OrganizationPatch,
            answers={200: OrganizationDetail},
            problems=(_MISSING, "invalid_organization", "slug_taken", "metadata_too_large"),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove, core),
            auth=OPERATOR_WRITE,
            summary="Remove an organization; the accounts of its members stay",
            answers={204: None},
            problems=(_MISSING,),
        ),
        Route(
            method="POST",
            path=f"{_ONE}/members",
            handler=partial(add_member, core),
            auth=OPERATOR_WRITE,
            summary="Make a person with an account a member",
            body=NewMember,
            answers={201: MemberResource},
            problems=(_MISSING, "user_not_found", "invalid_email", "already_a_member", "invalid_role", "unknown_role"),
        ),
        Route(
            method="GET",
            path="/admin/users/{id}/organizations",
            handler=partial(list_of_person, core),
            auth=OPERATOR_READ,
            summary="List the organizations of a person",
            answers={200: MembershipList},
            problems=("user_not_found",),
        ),
    )


async def list_organizations(core: Core, call: Call, _body: None) -> Response:
    """Answer with a page; one more than asked for is read, to know whether another follows."""
    query = parse_query(call.request, OrganizationsQuery)
    wanted = OrganizationFilter(search=query.search.strip().lower(), after=key_of(query.cursor), limit=query.limit + 1)
    found = await _acts(core, call).page(wanted)
    shown = found[: query.limit]
    following = cursor_of(shown[-1].slug) if len(found) > query.limit else None
    return JsonResponse(OrganizationPage(organizations=tuple(map(OrganizationResource.of, shown)), next=following))


async def create(core: Core, call: Call, body: NewOrganization) -> Response:
    """Add one."""
    made = await _acts(core, call).create(body.slug, body.name, body.metadata)
    return JsonResponse(OrganizationResource.of(made), 201)


async def show(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    return await _detail(core, call)


async def change(core: Core, call: Call, body: OrganizationPatch) -> Response:
    """Change what is named, in one transaction."""
    await _acts(core, call).change(call.path_params["id"], body)
    return await _detail(core, call)


async def remove(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await _acts(core, call).remove(call.path_params["id"])
    return no_content()


async def add_member(core: Core, call: Call, body: NewMember) -> Response:
    """Add a member."""
    made = await _acts(core, call).add_member(call.path_params["id"], body.user, body.roles)
    return JsonResponse(MemberResource.of(made), 201)


async def list_of_person(core: Core, call: Call, _body: None) -> Response:
    """Answer with all."""
    found = await _acts(core, call).of_person(call.path_params["id"])
    return JsonResponse(MembershipList(tuple(map(MembershipResource.of, found))))


async def _detail(core: Core, call: Call) -> Response:
    view = await _acts(core, call).show(call.path_params["id"])
    return JsonResponse(OrganizationDetail.of_view(view))


def _acts(core: Core, call: Call) -> OrganizationAdministration:
    return administration(core, call, operator_of(call))
