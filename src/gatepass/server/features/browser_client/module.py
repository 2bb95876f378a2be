"""`/gatepass.js`: pages import it from the server that they sign in at, so the two always fit."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from gatepass.server.module import Module

if TYPE_CHECKING:
    from gatepass.server.core import Core

PATH = "/gatepass.js"


def module(core: Core) -> Module:
    """Publish the file: to pages of any origin, since modules are fetched by CORS, and only with this media type."""
    source = files("gatepass.server.features.browser_client").joinpath("gatepass.js").read_bytes()
    core.documents.publish(PATH, core.documents.make(source, "text/javascript; charset=utf-8"))
    return Module()
