"""`GET` and `POST /oauth/userinfo` (OpenID Connect Core 1.0 §5.3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import Response

from gatepass.jose import jws, jwt
from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.requested_claims import allowed_by, claims_of, read_claims, released
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import OPENID_TOKEN
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.sessions.caller import OpenIdCaller
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.call import Call


class UserInfoForm(Confidential, frozen=True, kw_only=True):
    """RFC 6750 §2.2: the access token, where it is not in the header."""

    access_token: str | None = None


class UserInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """§5.3.2, and the claims of `[id_claims]`. What the client may not know, or nobody does, is left out."""

    sub: str
    email: str | None = None
    email_verified: bool | None = None
    roles: tuple[str, ...] = ()


def routes(core: Core) -> tuple[Route, ...]:
    """The call, by either method."""
    return tuple(
        Route(
            method=method,
            path="/oauth/userinfo",
            handler=partial(userinfo, core),
            auth=OPENID_TOKEN,
            summary="Read about the person who has signed in (OpenID Connect)",
            form=form,
            answers={200: UserInfo},
            problems=("signer_unavailable",),
            open_to_pages=True,
        )
        for method, form in (("GET", None), ("POST", UserInfoForm))
    )


async def userinfo(core: Core, call: Call, _form: UserInfoForm | None) -> Response:
    """§5.3.2: tell what the scopes and the request asked for, as JSON, or signed where the client wants it so."""
    caller = call.openid_caller
    client = await core.clients.by_id(caller.client_id)
    client_scope = core.first_party.scope if client is None else client.scope
    scope = set(caller.scope) & set(client_scope)
    custom = await core.custom_claims.about_person(
        caller.user.id, sub=caller.sub, scope=scope, organization=caller.organization
    )
    told = custom | msgspec.to_builtins(about(caller, client_scope))
    if client is None or not client.metadata.userinfo_signed_response_alg:
        return JsonResponse(told)
    return await _signed(core, client, told)


def about(caller: OpenIdCaller, client_scope: tuple[str, ...]) -> UserInfo:
    """What there is to tell: `sub` always, and the rest within the scopes that the client has today."""
    names = claims_of(set(caller.scope) & set(client_scope))
    asked = allowed_by(client_scope, read_claims(caller.claims).userinfo)
    return msgspec.convert({"sub": caller.sub, **released(caller.user, names, asked)}, UserInfo)


async def _signed(core: Core, client: Client, told: dict[str, object]) -> Response:
    """As a JWT with `iss` and `aud`. It has no `exp`, so nobody can take it for an ID token."""
    signer = await core.id_token_signers.signer(core.keys.current, client.metadata.userinfo_signed_response_alg)
    claims = {"iss": core.settings.issuer_url, "aud": client.id, **told}
    header = {"alg": signer.alg, "typ": "JWT", "kid": signer.kid}
    message = jws.signing_input(jwt.encode_claims(claims), header)
    token = jws.assemble(message, await signer.sign(message))
    return Response(token, media_type="application/jwt", headers={"cache-control": "no-store"})
