"""`/admin/users/{id}/…`: what is kept of one person, beside the account itself."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.export import Exported
from gatepass.server.features.admin.api.users import people
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import rfc3339
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class IdentityResource(msgspec.Struct, frozen=True, kw_only=True):
    """An account at another site that opens this one."""

    provider: str
    issuer: str
    subject: str
    email: str
    created_at: datetime
    used_at: datetime | None


class IdentityList(msgspec.Struct, frozen=True):
    """The accounts at other sites that open this one."""

    identities: tuple[IdentityResource, ...]


class ConsentResource(msgspec.Struct, frozen=True, kw_only=True):
    """What the person has agreed to for an application."""

    client_id: str
    client_name: str
    host: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    given_at: datetime


class ConsentList(msgspec.Struct, frozen=True):
    """What the person has agreed to, the latest first."""

    consents: tuple[ConsentResource, ...]


_ONE = "/admin/users/{id}"
_USER = "user_not_found"


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path=f"{_ONE}/export",
            handler=partial(export, core),
            auth=OPERATOR_WRITE,  # recorded, and more than any other call tells
            summary="Everything that is kept of a person",
            answers={200: Exported},
            problems=(_USER,),
        ),
        Route(
            method="GET",
            path=f"{_ONE}/identities",
            handler=partial(list_identities, core),
            auth=OPERATOR_READ,
            summary="List the accounts at other sites that open a person's",
            answers={200: IdentityList},
            problems=(_USER,),
        ),
        Route(
            method="GET",
            path=f"{_ONE}/consents",
            handler=partial(list_consents, core),
            auth=OPERATOR_READ,
            summary="List what a person has agreed to",
            answers={200: ConsentList},
            problems=(_USER,),
        ),
        Route(
            method="DELETE",
            path=f"{_ONE}/consents/{{client_id}}",
            handler=partial(withdraw, core),
            auth=OPERATOR_WRITE,
            summary="Withdraw a consent, and end what the application has",
            answers={204: None},
            problems=(_USER, "operator_protected", "consent_not_found"),
        ),
    )


async def export(core: Core, call: Call, _body: None) -> Response:
    """Answer with everything."""
    return JsonResponse(await people(core, call).export(call.path_params["id"]))


async def list_identities(core: Core, call: Call, _body: None) -> Response:
    """Answer with the accounts elsewhere."""

    async def of(tx: Transaction, user: User) -> IdentityList:
        return IdentityList(
            tuple(
                IdentityResource(
                    provider=each.provider,
                    issuer=each.issuer,
                    subject=each.subject,
                    email=each.email,
                    created_at=rfc3339(each.created_at),
                    used_at=None if each.used_at is None else rfc3339(each.used_at),
                )
                for each in await tx.identities.of(user.id)
            )
        )

    return JsonResponse(await people(core, call).read(call.path_params["id"], of))


async def list_consents(core: Core, call: Call, _body: None) -> Response:
    """Answer with the consents."""

    async def of(tx: Transaction, user: User) -> ConsentList:
        return ConsentList(
            tuple(
                ConsentResource(
                    client_id=each.client_id,
                    client_name=each.client_name,
                    host=each.host,
                    scope=each.scope,
                    resource=each.resource,
                    given_at=rfc3339(each.given_at),
                )
                for each in await tx.consents.all_of(user.id)
            )
        )

    return JsonResponse(await people(core, call).read(call.path_params["id"], of))


async def withdraw(core: Core, call: Call, _body: None) -> Response:
    """Disconnect an application."""
    await people(core, call).disconnect(call.path_params["id"], call.path_params["client_id"])
    return no_content()
