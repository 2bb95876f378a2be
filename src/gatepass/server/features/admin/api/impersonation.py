"""`POST /admin/users/{id}/impersonate`: a token in another person's name (`domain.sessions.impersonation`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.impersonation import check_impersonation, impersonate
from gatepass.server.features.admin.people import not_found
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import OPERATOR_IMPERSONATE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import Refusal
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.web.call import Call


class ImpersonationRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the token is for."""

    audience: Annotated[str, Meta(description="The one API that it is for; never this server.")]
    scope: Annotated[str, Meta(description="Scopes, separated by spaces; all of the API's if left out.")] | None = None


class ImpersonationToken(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """The token, which cannot be refreshed; `expires_in` in seconds. Ending the session ends it everywhere."""

    token: str
    token_type: str
    expires_in: int
    session_id: str
    scope: str | None = None


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path="/admin/users/{id}/impersonate",
            handler=partial(impersonate_user, core),
            auth=OPERATOR_IMPERSONATE,
            summary="Get a token in a person's name, for one API",
            body=ImpersonationRequest,
            shown_once=("token",),
            answers={200: ImpersonationToken},
            problems=(
                "user_not_found",
                "operator_protected",
                "impersonation_off",
                "invalid_audience",
                "invalid_scope",
                "account_disabled",
                "account_locked",
            ),
        ),
    )


async def impersonate_user(core: Core, call: Call, body: ImpersonationRequest) -> Response:
    """Open a session in the person's name, and issue its only token."""
    operator, user_id = call.operator, call.path_params["id"]
    token_request = check_impersonation(core.settings, operator, audience=body.audience, scope=body.scope)
    keys, status = core.keys.current, await core.indexes.next()

    async def unit(tx: Transaction) -> Opened | Refusal:
        user = await tx.users.by_id(user_id)
        if user is None:
            return not_found(user_id)
        return await impersonate(
            tx,
            operator,
            user,
            token_request=token_request,
            status=status,
            notices=core.notices,
            where=call.origin,
        )

    opened = await decide(core.database, unit)
    issued = await core.token_issuer.mint(opened.subject, keys=keys, now=opened.now, first_id=opened.token_id)
    return JsonResponse(
        ImpersonationToken(
            token=issued.token,
            token_type=issued.token_type,
            expires_in=issued.expires_in,
            session_id=opened.subject.session_id,
            scope=issued.scope,
        )
    )
