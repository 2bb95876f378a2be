"""OAuth's endpoints for registered clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.oauth import introspect, revoke
from gatepass.server.features.oauth.token import api as token
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core


def module(core: Core) -> Module:
    """Tokens (RFC 6749), revocation (RFC 7009) and introspection (RFC 7662)."""

    async def forget_known() -> None:
        core.clients.forget()

    return Module(
        routes=tuple(route for part in (token, revoke, introspect) for route in part.routes(core)),
        catch_up=forget_known,
    )
