"""OAuth's endpoints for registered clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.oauth.endpoints import OAuth
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core


def module(core: Core) -> Module:
    """Tokens (RFC 6749), revocation (RFC 7009) and introspection (RFC 7662)."""

    async def forget_known() -> None:
        core.clients.forget()

    return Module(routes=OAuth(core).routes(), catch_up=forget_known)
