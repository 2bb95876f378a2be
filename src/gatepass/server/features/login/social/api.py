"""`GET /login/providers`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.identity_linking import ProviderShown  # noqa: TC001 - as below
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class ProvidersShown(msgspec.Struct, frozen=True):
    """The providers that users can sign in with."""

    providers: tuple[ProviderShown, ...]


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="GET",
            path="/login/providers",
            handler=partial(providers, core),
            auth=ANYONE,
            summary="List the providers to sign in with",
            answers={200: ProvidersShown},
        ),
    )


async def providers(core: Core, _call: Call, _body: None) -> Response:
    """Answer with the providers for an application's buttons."""
    return JsonResponse(ProvidersShown(core.linking.shown))
