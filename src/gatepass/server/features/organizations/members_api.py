"""Members and invitations of an organization, the same calls for its admins and for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatepass.server.domain.organizations.administration import OrganizationAdministration
from gatepass.server.domain.organizations.manager import Manager
from gatepass.server.domain.organizations.member import MemberFilter
from gatepass.server.domain.sessions.custom_claims import organization_metadata_in_tokens
from gatepass.server.features.organizations.inviting import invitations, invite, withdraw
from gatepass.server.features.organizations.resources import (
    InvitationList,
    InvitationResource,
    MemberPage,
    MemberPatch,
    MemberResource,
    MembersQuery,
    NewInvitation,
)
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import (
    OPERATOR_READ,
    OPERATOR_WRITE,
    ORGANIZATION_READ,
    ORGANIZATION_WRITE,
)
from gatepass.server.web.paging import cursor_of, key_of
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.auth.requirements import Auth
    from gatepass.server.web.call import Call


def operator_of(call: Call) -> Manager:
    """An operator, who manages every organization."""
    return Manager(id=call.operator.id, is_operator=True)


def admin_of(call: Call) -> Manager:
    """An admin of one, which is looked at again inside each act."""
    return Manager(id=call.caller.user.id)


def administration(core: Core, call: Call, by: Manager) -> OrganizationAdministration:
    """The acts, in the name of the caller."""
    return OrganizationAdministration(
        core.database,
        core.list_keys,
        core.roles,
        by=by,
        where=call.origin,
        in_tokens=organization_metadata_in_tokens(core.settings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCalls:
    """The calls, below a path, for those who may make them."""

    core: Core
    path: str
    read: Auth
    write: Auth
    manager: Callable[[Call], Manager]

    def routes(self) -> tuple[Route, ...]:
        """The calls: a flat list."""
        missing = () if self.read == ORGANIZATION_READ else ("organization_not_found",)
        return (
            Route(
                method="GET",
                path=f"{self.path}/members",
                handler=self.list_members,
                auth=self.read,
                summary="List the members of an organization, by how their address begins",
                query=MembersQuery,
                answers={200: MemberPage},
                problems=missing,
            ),
            Route(
                method="PATCH",
                path=f"{self.path}/members/{{user_id}}",
                handler=self.change_member,
                auth=self.write,
                summary="Change the roles of a member in the organization",
                body=MemberPatch,
                answers={200: MemberResource},
                problems=(*missing, "member_not_found", "invalid_role", "unknown_role", "last_admin"),
            ),
            Route(
                method="DELETE",
                path=f"{self.path}/members/{{user_id}}",
                handler=self.remove_member,
                auth=self.write,
                summary="Remove a member from the organization",
                answers={204: None},
                problems=(*missing, "member_not_found", "last_admin"),
            ),
            Route(
                method="GET",
                path=f"{self.path}/invitations",
                handler=self.list_invitations,
                auth=self.read,
                summary="List the invitations into an organization",
                answers={200: InvitationList},
                problems=missing,
            ),
            Route(
                method="POST",
                path=f"{self.path}/invitations",
                handler=self.invite,
                auth=self.write,
                summary="Invite somebody into an organization, by mail",
                body=NewInvitation,
                answers={201: InvitationResource},
                problems=(
                    *missing,
                    "mail_not_configured",
                    "invalid_email",
                    "invalid_role",
                    "unknown_role",
                    "already_a_member",
                    "too_many_invitations",
                    "too_many_attempts",
                ),
            ),
            Route(
                method="DELETE",
                path=f"{self.path}/invitations/{{invitation_id}}",
                handler=self.withdraw,
                auth=self.write,
                summary="Withdraw an invitation",
                answers={204: None},
                problems=(*missing, "invitation_not_found"),
            ),
        )

    async def list_members(self, call: Call, _body: None) -> Response:
        """Answer with a page; one more than asked for is read, to know whether another follows."""
        query = parse_query(call.request, MembersQuery)
        wanted = MemberFilter(search=query.search.strip().lower(), after=key_of(query.cursor), limit=query.limit + 1)
        found = await self._acts(call).members(call.path_params["id"], wanted)
        shown = found[: query.limit]
        following = cursor_of(shown[-1].email) if len(found) > query.limit else None
        return JsonResponse(MemberPage(members=tuple(map(MemberResource.of, shown)), next=following))

    async def change_member(self, call: Call, body: MemberPatch) -> Response:
        """Replace the roles."""
        named = call.path_params
        member = await self._acts(call).set_roles(named["id"], named["user_id"], body.roles)
        return JsonResponse(MemberResource.of(member))

    async def remove_member(self, call: Call, _body: None) -> Response:
        """Remove one."""
        await self._acts(call).remove_member(call.path_params["id"], call.path_params["user_id"])
        return no_content()

    async def list_invitations(self, call: Call, _body: None) -> Response:
        """Answer with those that wait."""
        found = await invitations(self.core.database, call.path_params["id"], by=self.manager(call))
        return JsonResponse(InvitationList(tuple(map(InvitationResource.of, found))))

    async def invite(self, call: Call, body: NewInvitation) -> Response:
        """Send one."""
        made = await invite(
            self.core,
            call.path_params["id"],
            body.email,
            body.roles,
            by=self.manager(call),
            language=body.language or call.language,
            where=call.origin,
        )
        return JsonResponse(InvitationResource.of(made), 201)

    async def withdraw(self, call: Call, _body: None) -> Response:
        """Withdraw one."""
        named, by = call.path_params, self.manager(call)
        await withdraw(self.core.database, named["id"], named["invitation_id"], by=by, where=call.origin)
        return no_content()

    def _acts(self, call: Call) -> OrganizationAdministration:
        return administration(self.core, call, self.manager(call))


def routes(core: Core) -> tuple[Route, ...]:
    """The calls for operators, and those for the admins of an organization."""
    of_operators = MemberCalls(
        core=core, path="/admin/organizations/{id}", read=OPERATOR_READ, write=OPERATOR_WRITE, manager=operator_of
    )
    of_admins = MemberCalls(
        core=core, path="/organizations/{id}", read=ORGANIZATION_READ, write=ORGANIZATION_WRITE, manager=admin_of
    )
    return (*of_operators.routes(), *of_admins.routes())
