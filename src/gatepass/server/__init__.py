"""The authentication server. What is exported is loaded when it is first used, since it brings the whole server."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.hooks.requests import BeforeLoginRequest, BeforeSignupRequest, Deny
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.domain.sessions.custom_claims import ClaimsRequest
    from gatepass.server.hooks.plugins import Plugin
    from gatepass.server.process.embedding import EmbeddedServer, create_app

__all__ = [
    "BeforeLoginRequest",
    "BeforeSignupRequest",
    "ClaimsRequest",
    "Deny",
    "EmbeddedServer",
    "Event",
    "OutsideKey",
    "Plugin",
    "create_app",
]

_HOMES = {
    "BeforeLoginRequest": "gatepass.server.domain.hooks.requests",
    "BeforeSignupRequest": "gatepass.server.domain.hooks.requests",
    "Deny": "gatepass.server.domain.hooks.requests",
    "ClaimsRequest": "gatepass.server.domain.sessions.custom_claims",
    "EmbeddedServer": "gatepass.server.process.embedding",
    "create_app": "gatepass.server.process.embedding",
    "Event": "gatepass.server.domain.events.event",
    "OutsideKey": "gatepass.server.domain.keys.signer",
    "Plugin": "gatepass.server.hooks.plugins",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
