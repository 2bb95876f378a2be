"""OAuth's endpoints for registered clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.oauth import introspect, revoke, userinfo
from gatepass.server.features.oauth.token import api as token
from gatepass.server.module import Module
from gatepass.server.web.auth.openid import OpenIdAuth
from gatepass.server.web.auth.requirements import OPENID_TOKEN

if TYPE_CHECKING:
    from gatepass.server.core import Core


def module(core: Core) -> Module:
    """Tokens (RFC 6749), revocation (RFC 7009), introspection (RFC 7662) and UserInfo (OpenID Connect)."""

    async def forget_known() -> None:
        core.clients.forget()

    return Module(
        routes=tuple(route for part in (token, revoke, introspect, userinfo) for route in part.routes(core)),
        proofs={OPENID_TOKEN: OpenIdAuth(core.database, core.bearer_auth, core.revocation_check).identify},
        catch_up=forget_known,
    )
