"""Creating an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.signup import api, pages
from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction


def module(core: Core) -> Module:
    """Signing up, and the codes of emails."""

    async def forget(tx: Transaction) -> None:
        await tx.codes.forget_expired(tx.now)

    return Module(templates=__package__, routes=(*api.routes(core), *pages.routes(core)), expiry=(forget,))
