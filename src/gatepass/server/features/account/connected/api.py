"""`/account/identities`: connected accounts, listed, connected and disconnected."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.features.account.connected.identities import disconnect, list_identities
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER, RECENT
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.linked_identity import Identity
    from gatepass.server.web.call import Call


class IdentityShown(msgspec.Struct, frozen=True, kw_only=True):
    """A connected account, with its last known address. Times in seconds since 1970."""

    id: str
    provider: str
    email: str
    created_at: int
    used_at: int | None


class IdentitiesShown(msgspec.Struct, frozen=True):
    """The caller's connected accounts."""

    identities: tuple[IdentityShown, ...]


class ConnectRequest(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An ID token that the application got from the provider, and the `nonce` it had sent there."""

    provider: str
    id_token: str
    nonce: str | None = None


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/account/identities",
            handler=partial(show, core),
            auth=CALLER,
            summary="List my connected accounts",
            answers={200: IdentitiesShown},
        ),
        Route(
            method="POST",
            path="/account/identities",
            handler=partial(connect, core),
            auth=RECENT,
            summary="Connect an account at another site by its ID token",
            body=ConnectRequest,
            answers={201: IdentityShown},
            problems=(
                "unknown_provider",
                "invalid_id_token",
                "provider_denied",
                "provider_unavailable",
                "identity_taken",
                "too_many_identities",
            ),
        ),
        Route(
            method="DELETE",
            path="/account/identities/{id}",
            handler=partial(remove, core),
            auth=RECENT,
            summary="Disconnect an account at another site",
            answers={204: None},
            problems=("identity_not_found", "last_way_in"),
        ),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Answer with every connected account."""
    return JsonResponse(IdentitiesShown(tuple(map(_shown, await list_identities(core, call.caller.user.id)))))


async def connect(core: Core, call: Call, body: ConnectRequest) -> Response:
    """Connect the account of the ID token."""
    caller = call.caller
    proven = await core.linking.check_id_token(body.provider, body.id_token, body.nonce)
    identity = await core.linking.connect(
        caller.user,
        caller.session_id,
        proven.claimed,
        where=call.origin,
        language=call.language,
        proven=proven,
    )
    return JsonResponse(_shown(identity), 201)


async def remove(core: Core, call: Call, _body: None) -> Response:
    """Disconnect one."""
    await disconnect(core, call, call.path_params["id"])
    return no_content()


def _shown(identity: Identity) -> IdentityShown:
    return IdentityShown(
        id=identity.id,
        provider=identity.provider,
        email=identity.email,
        created_at=int(identity.created_at),
        used_at=None if identity.used_at is None else int(identity.used_at),
    )
