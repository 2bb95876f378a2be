"""`/admin/organizations/{id}/domains`: the email domains of an organization."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.organizations.domains import DomainAdministration
from gatepass.server.features.organizations.members_api import operator_of
from gatepass.server.features.organizations.resources import DomainList, DomainPatch, DomainResource, NewDomain
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call

_ALL = "/admin/organizations/{id}/domains"
_ONE = f"{_ALL}/{{domain}}"
_MISSING = ("organization_not_found", "domain_not_found")


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="GET",
            path=_ALL,
            handler=partial(list_domains, core),
            auth=OPERATOR_READ,
            summary="List the email domains of an organization",
            answers={200: DomainList},
            problems=("organization_not_found",),
        ),
        Route(
            method="POST",
            path=_ALL,
            handler=partial(add, core),
            auth=OPERATOR_WRITE,
            summary="Add an email domain, and learn which DNS record proves it",
            body=NewDomain,
            answers={201: DomainResource},
            problems=("organization_not_found", "invalid_domain", "domain_exists", "unknown_provider"),
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change, core),
            auth=OPERATOR_WRITE,
            summary="Change how people of the domain come in",
            body=DomainPatch,
            answers={200: DomainResource},
            problems=(*_MISSING, "unknown_provider"),
        ),
        Route(
            method="POST",
            path=f"{_ONE}/check",
            handler=partial(check, core),
            auth=OPERATOR_WRITE,
            summary="Look for the DNS record of a domain",
            answers={200: DomainResource},
            problems=(*_MISSING, "domain_not_proved", "domain_taken", "dns_unavailable"),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove, core),
            auth=OPERATOR_WRITE,
            summary="Remove an email domain; members stay",
            answers={204: None},
            problems=_MISSING,
        ),
    )


async def list_domains(core: Core, call: Call, _body: None) -> Response:
    """Answer with all."""
    found = await _acts(core, call).all(call.path_params["id"])
    return JsonResponse(DomainList(tuple(map(DomainResource.of, found))))


async def add(core: Core, call: Call, body: NewDomain) -> Response:
    """Add one."""
    added = await _acts(core, call).add(call.path_params["id"], body.domain, body.provider)
    return JsonResponse(DomainResource.of(added), 201)


async def change(core: Core, call: Call, body: DomainPatch) -> Response:
    """Change one."""
    named = call.path_params
    return JsonResponse(
        DomainResource.of(await _acts(core, call).set_provider(named["id"], named["domain"], body.provider))
    )


async def check(core: Core, call: Call, _body: None) -> Response:
    """Look for the record of one."""
    named = call.path_params
    return JsonResponse(DomainResource.of(await _acts(core, call).check(named["id"], named["domain"])))


async def remove(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await _acts(core, call).remove(call.path_params["id"], call.path_params["domain"])
    return no_content()


def _acts(core: Core, call: Call) -> DomainAdministration:
    return DomainAdministration(core, by=operator_of(call), where=call.origin)
