"""Calling an ASGI application as a server does, and timing it. It runs in two environments, so it imports little."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

ROUNDS, REQUESTS = 15, 500


async def receive() -> Message:
    """Send an empty body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None:
    """Take the answer."""


def scope(path: str, authorization: bytes) -> Scope:
    """Make a request, as uvicorn does."""
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", authorization)],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip


async def microseconds(app: ASGIApp, authorization: bytes, *paths: str) -> list[float]:
    """Time a request of each path; the rounds alternate, so that a busy machine disturbs the difference little."""
    best = dict.fromkeys(paths, float("inf"))
    for _ in range(ROUNDS):
        for path in paths:
            started = time.process_time()
            for _ in range(REQUESTS):
                await app(scope(path, authorization), receive, send)
            best[path] = min(best[path], (time.process_time() - started) / REQUESTS)
    return [seconds * 1e6 for seconds in best.values()]
