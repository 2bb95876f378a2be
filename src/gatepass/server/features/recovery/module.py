"""Account recovery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.recovery import api, pages
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core


def module(core: Core) -> Module:
    """Resetting a password, and locking an account down."""
    return Module(routes=(*api.routes(core), *pages.routes(core)))
