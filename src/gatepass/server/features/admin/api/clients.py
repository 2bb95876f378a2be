"""`/admin/clients`: registering, changing and removing OAuth clients."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.client import (  # noqa: TC001 - as above
    AssertionAudience,
    AuthMethod,
    ClientOrigin,
    GrantType,
)
from gatepass.server.domain.sessions.client_metadata import (  # noqa: TC001 - as above
    ApplicationType,
    ClientMetadata,
    ClientRules,
    ConsentRule,
    PkceRule,
    Profile,
    SubjectType,
)
from gatepass.server.features.admin.clients import ClientAdmin, ClientChanges, NewClient
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import rfc3339
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.call import Call

_METADATA = frozenset(ClientMetadata.__struct_fields__)
_RULES = frozenset(ClientRules.__struct_fields__)
_ACTS = frozenset({"public", "disabled"})
"""What a body says that is no field of a client."""


class ClientResource(msgspec.Struct, frozen=True, kw_only=True):
    """A client, without its secret, which nobody can read again."""

    client_id: str
    name: str
    origin: ClientOrigin
    grant_types: tuple[GrantType, ...]
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    authentication: AuthMethod
    assertion_audience: AssertionAudience
    metadata: ClientMetadata
    rules: ClientRules
    disabled: bool
    created_at: datetime


class ClientList(msgspec.Struct, frozen=True):
    """Every client, by name."""

    clients: tuple[ClientResource, ...]


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client may do, and what it says of itself.

    `consent` never, and scopes of this server, are for the command line to give.
    """

    audience: tuple[str, ...] | UnsetType = UNSET
    scope: tuple[str, ...] | UnsetType = UNSET
    assertion_audience: AssertionAudience | UnsetType = UNSET
    jwks: Annotated[dict[str, Any], Meta(description="Its public keys (RFC 7517).")] | UnsetType = UNSET
    jwks_uri: str | UnsetType = UNSET
    redirect_uris: tuple[str, ...] | UnsetType = UNSET
    post_logout_redirect_uris: tuple[str, ...] | UnsetType = UNSET
    backchannel_logout_uri: str | UnsetType = UNSET
    backchannel_logout_session_required: bool | UnsetType = UNSET
    application_type: ApplicationType | UnsetType = UNSET
    subject_type: SubjectType | UnsetType = UNSET
    sector_identifier_uri: str | UnsetType = UNSET
    client_uri: str | UnsetType = UNSET
    logo_uri: str | UnsetType = UNSET
    policy_uri: str | UnsetType = UNSET
    tos_uri: str | UnsetType = UNSET
    contacts: tuple[str, ...] | UnsetType = UNSET
    initiate_login_uri: str | UnsetType = UNSET
    id_token_signed_response_alg: str | UnsetType = UNSET
    userinfo_signed_response_alg: str | UnsetType = UNSET
    introspection_signed_response_alg: str | UnsetType = UNSET
    authorization_signed_response_alg: str | UnsetType = UNSET
    request_object_signing_alg: str | UnsetType = UNSET
    token_endpoint_auth_signing_alg: str | UnsetType = UNSET
    default_max_age: int | UnsetType | None = UNSET
    default_acr_values: tuple[str, ...] | UnsetType = UNSET
    require_auth_time: bool | UnsetType = UNSET
    require_pushed_authorization_requests: bool | UnsetType = UNSET
    require_signed_request_object: bool | UnsetType = UNSET
    dpop_bound_access_tokens: bool | UnsetType = UNSET
    consent: ConsentRule | UnsetType = UNSET
    pkce: PkceRule | UnsetType = UNSET
    default_scope: tuple[str, ...] | UnsetType = UNSET
    claims_in_id_token: bool | UnsetType = UNSET
    profile: Profile | UnsetType = UNSET
    exchange_audience: tuple[str, ...] | UnsetType = UNSET

    def changes(self) -> ClientChanges:
        """What is named, by where it is kept."""
        named = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        if "jwks" in named:
            named["jwks"] = msgspec.json.encode(named["jwks"]).decode()
        return ClientChanges(
            fields={name: value for name, value in named.items() if name not in _METADATA | _RULES | _ACTS},
            metadata={name: value for name, value in named.items() if name in _METADATA},
            rules={name: value for name, value in named.items() if name in _RULES},
        )


class ClientPatch(ClientSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a client (RFC 7396): what is left out stays. Tokens that may have a removed right are revoked."""

    name: str | UnsetType = UNSET
    grant_types: tuple[GrantType, ...] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class NewClientBody(ClientSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new client. With public keys it signs and gets no secret; `public`: it cannot keep one."""

    name: str
    grant_types: tuple[GrantType, ...]
    public: bool = False


class ClientMade(Confidential, frozen=True, kw_only=True):
    """The client, and its secret, which is shown once; null for one that has keys or is public."""

    client: ClientResource
    client_secret: str | None


class SecretRotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the former secret still works, in seconds; without it, it ends now and so do the client's own tokens."""

    keep_old_seconds: Annotated[int, Meta(ge=0, le=30 * 86_400)] = 0


class ClientSecret(Confidential, frozen=True, kw_only=True):
    """The new secret, which is shown once."""

    client_secret: str


_ONE = "/admin/clients/{id}"
_REFUSED = (
    "client_not_found",
    "operator_protected",
    "command_line_only",
    "invalid_client_metadata",
    "invalid_redirect_uri",
    "invalid_audience",
    "invalid_scope",
)


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="GET",
            path="/admin/clients",
            handler=partial(list_clients, core),
            auth=OPERATOR_READ,
            summary="List every client",
            answers={200: ClientList},
        ),
        Route(
            method="POST",
            path="/admin/clients",
            handler=partial(add_client, core),
            auth=OPERATOR_WRITE,
            summary="Register a client",
            body=NewClientBody,
            shown_once=("client_secret",),
            answers={201: ClientMade},
            problems=_REFUSED[2:],
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show_client, core),
            auth=OPERATOR_READ,
            summary="Show a client",
            answers={200: ClientResource},
            problems=_REFUSED[:1],
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change_client, core),
            auth=OPERATOR_WRITE,
            summary="Change a client, disable or enable it",
            body=ClientPatch,
            answers={200: ClientResource},
            problems=_REFUSED,
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove_client, core),
            auth=OPERATOR_WRITE,
            summary="Remove a client; its tokens and grants are revoked",
            answers={204: None},
            problems=_REFUSED[:2],
        ),
        Route(
            method="POST",
            path=f"{_ONE}/secret",
            handler=partial(rotate_secret, core),
            auth=OPERATOR_WRITE,
            summary="Give a client a new secret",
            body=SecretRotation,
            shown_once=("client_secret",),
            answers={200: ClientSecret},
            problems=_REFUSED[:4],
        ),
    )


def _clients(core: Core, call: Call) -> ClientAdmin:
    """The acts, in the name of the caller."""
    return ClientAdmin(
        core.database, core.indexes, core.list_keys, our_algs=core.settings.id_token_algs, by=call.operator
    )


async def list_clients(core: Core, call: Call, _body: None) -> Response:
    """Answer with all of them."""
    return JsonResponse(ClientList(tuple(map(_resource, await _clients(core, call).all()))))


async def add_client(core: Core, call: Call, body: NewClientBody) -> Response:
    """Register one."""
    changes = body.changes()
    new = NewClient(
        is_public=body.public,
        metadata=ClientMetadata(**changes.metadata),
        rules=ClientRules(**changes.rules),
        **changes.fields,
    )
    client, secret = await _clients(core, call).add(new)
    return JsonResponse(ClientMade(client=_resource(client), client_secret=secret), 201)


async def show_client(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    return JsonResponse(_resource(await _clients(core, call).show(call.path_params["id"])))


async def change_client(core: Core, call: Call, body: ClientPatch) -> Response:
    """Change what is named; whether it is disabled is decided last."""
    clients, client_id = _clients(core, call), call.path_params["id"]
    changes = body.changes()
    if changes.fields or changes.metadata or changes.rules:
        await clients.edit(client_id, changes)
    if body.disabled is not UNSET:
        await (clients.disable(client_id) if body.disabled else clients.enable(client_id))
    core.clients.forget()
    return JsonResponse(_resource(await clients.show(client_id)))


async def remove_client(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await _clients(core, call).remove(call.path_params["id"])
    core.clients.forget()
    return no_content()


async def rotate_secret(core: Core, call: Call, body: SecretRotation) -> Response:
    """Give one a new secret."""
    secret = await _clients(core, call).rotate_secret(call.path_params["id"], keep_old=body.keep_old_seconds)
    core.clients.forget()
    return JsonResponse(ClientSecret(client_secret=secret))


def _resource(client: Client) -> ClientResource:
    return ClientResource(
        client_id=client.id,
        name=client.name,
        origin=client.origin,
        grant_types=client.grant_types,
        audience=client.audience,
        scope=client.scope,
        authentication=client.auth_method,
        assertion_audience=client.assertion_audience,
        metadata=client.metadata,
        rules=client.rules,
        disabled=client.disabled_at is not None,
        created_at=rfc3339(client.created_at),
    )
