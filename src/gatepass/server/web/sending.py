"""Sending an answer: at once to the connection where that is possible, else through ASGI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

WHOLE = "gatepass.whole"
"""The ASGI extension by which our HTTP edge takes an answer that is there whole. Other servers have none."""


async def send_answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send it."""
    edge = scope.get("extensions", {}).get(WHOLE)
    is_whole = type(response).__call__ is Response.__call__ and response.background is None
    if edge is None or not is_whole or not edge["answer"](response.status_code, response.raw_headers, response.body):
        await response(scope, receive, send)
