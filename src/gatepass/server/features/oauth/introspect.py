"""`POST /oauth/introspect` (RFC 7662), also as a signed token (RFC 9701)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from gatepass.jose import jws
from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.domain.sessions.refresh_credentials import read_in_body, refresh_credential
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.client import ClientForm
from gatepass.server.web.auth.requirements import CLIENT
from gatepass.server.web.parsing import header
from gatepass.server.web.routing import Route
from gatepass.tokens import introspection_response
from gatepass.tokens.access_token import AccessToken
from gatepass.verify.frozen_claims import thawed

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.grant import Held
    from gatepass.server.web.call import Call
    from gatepass.tokens.refresh_token import RefreshToken


class TokenToLookAt(ClientForm, frozen=True, kw_only=True):
    """RFC 7009 §2.1 and RFC 7662 §2.1. The hint is not needed, because our two kinds of token look different."""

    token: str
    token_type_hint: str | None = None


class Introspected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 7662 §2.2. For an inactive token, nothing else is said."""

    active: bool
    token_type: str | None = None
    iss: str | None = None
    sub: str | None = None
    aud: Any = None
    client_id: str | None = None
    scope: str | None = None
    exp: int | None = None
    iat: int | None = None
    jti: str | None = None
    sid: str | None = None
    roles: tuple[str, ...] = ()
    org_id: str | None = None
    org_slug: str | None = None
    org_roles: tuple[str, ...] = ()
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: dict[str, str] | None = None
    act: Any = None


_INACTIVE = Introspected(active=False)


def routes(core: Core) -> tuple[Route, ...]:
    """The call (RFC 7662 §2)."""
    return (
        Route(
            method="POST",
            path="/oauth/introspect",
            handler=partial(introspect, core),
            auth=CLIENT,
            summary="Introspect a token (RFC 7662)",
            form=TokenToLookAt,
            answers={200: Introspected},
            problems=("signer_unavailable",),
        ),
    )


async def introspect(core: Core, call: Call, form: TokenToLookAt) -> Response:
    """Tell a client about a token for one of its audiences, or its own refresh token.

    One that has registered itself is told of its own tokens alone.
    """
    client = call.client
    refresh = read_in_body(form.token, core.keys.current.refresh_keys)
    if refresh is not None:
        told: Introspected | dict[str, Any] = await _introspect_refresh_token(core, client, refresh)
    else:
        told = await _introspect_access_token(core, client, form.token)
    return await _signed(core, client, told) if _wants_token(call) else JsonResponse(told)


def _wants_token(call: Call) -> bool:
    """RFC 9701 §4: whether the client asks for a signed answer."""
    accepted = (header(call.request, b"accept") or "").lower().split(",")
    return any(each.partition(";")[0].strip() == introspection_response.MEDIA_TYPE for each in accepted)


async def _signed(core: Core, client: Client, told: Introspected | dict[str, Any]) -> Response:
    """RFC 9701 §5, by the algorithm that the client has registered (§6)."""
    signer = await core.id_token_signers.signer(core.keys.current, client.metadata.introspection_signed_response_alg)
    message = introspection_response.signing_input(
        msgspec.to_builtins(told),
        issuer=core.settings.issuer_url,
        client_id=client.id,
        now=core.clock(),
        alg=signer.alg,
        kid=signer.kid,
    )
    token = jws.assemble(message, await signer.sign(message))
    media_type = introspection_response.MEDIA_TYPE
    return Response(token, media_type=media_type, headers={"cache-control": "no-store"})


async def _introspect_access_token(core: Core, client: Client, token: str) -> Introspected | dict[str, Any]:
    try:
        principal = core.own_tokens.look_at(token, client.audience_at(core.settings.issuer_url))
    except JoseError:
        return _INACTIVE
    if client.is_self_registered and principal.client_id != client.id:  # its audience is open to anyone
        return _INACTIVE
    if await core.revocation_check.is_revoked(principal):
        return _INACTIVE
    claims = principal.claims
    told = Introspected(
        active=True,
        token_type="DPoP" if principal.key_thumbprint else "Bearer",
        iss=claims["iss"],
        sub=principal.subject,
        aud=claims["aud"],
        client_id=principal.client_id,
        scope=claims.get("scope"),
        exp=claims["exp"],
        iat=claims["iat"],
        jti=principal.token_id,
        sid=principal.session_id,
        roles=tuple(claims.get("roles", ())),
        org_id=claims.get("org_id"),
        org_slug=claims.get("org_slug"),
        org_roles=tuple(claims.get("org_roles", ())),
        auth_time=claims.get("auth_time"),
        acr=principal.acr,
        amr=tuple(claims.get("amr", ())),
        cnf=None if principal.key_thumbprint is None else {"jkt": principal.key_thumbprint},
        act=thawed(claims.get("act")),
    )
    custom = {name: thawed(value) for name, value in claims.items() if name not in AccessToken.__struct_fields__}
    return {**custom, **msgspec.to_builtins(told)} if custom else told


async def _introspect_refresh_token(core: Core, client: Client, token: RefreshToken) -> Introspected:
    async def unit(tx: Transaction) -> tuple[Held | None, float]:
        return await tx.grants.held_by(refresh_credential(token, client.id)), tx.now

    held, now = await core.database.read(unit)
    if held is None or held.client_id != client.id or not held.is_usable or held.expires_at <= now:
        return _INACTIVE
    try:
        _, scope = ClientPolicy.of_client(client, core.settings.issuer_url).left_of(held.audience, held.scope)
    except Refusal:  # nothing that it was for is left, so it brings no token any more
        return _INACTIVE
    return Introspected(
        active=True,
        token_type="refresh_token",  # noqa: S106 - the kind, not a token
        sub=core.subjects.subject(client.sector, held.user_id),
        client_id=held.client_id,
        scope=" ".join(scope) or None,
        exp=int(held.expires_at),
        sid=core.subjects.session(client.sector, held.session_id),
        cnf=None if held.jkt is None else {"jkt": held.jkt},
    )
