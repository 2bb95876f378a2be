"""What `Bearer` adds to a request: a protected route beside the same route without, in Starlette and FastAPI.

The application is called as a server calls it, without sockets, on one core; the fastest of several rounds counts.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response
from starlette.routing import Route

import gatepass.verify.fastapi
import gatepass.verify.starlette
from gatepass.jose import Key, jwt
from gatepass.verify import Principal, Verifier

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
ROUNDS, REQUESTS = 15, 500
KEY = Key.generate("ES256")
VERIFIER = Verifier(issuer=ISSUER, audience=AUDIENCE, keys=KEY.public())


def token() -> str:
    """Sign an access token that the routes accept."""
    now = int(time.time())
    claims: dict[str, Any] = {"iss": ISSUER, "sub": "usr_1", "aud": AUDIENCE, "client_id": "first-party", "jti": "t"}
    return jwt.sign(claims | {"iat": now, "exp": now + 900, "scope": "read"}, KEY, typ="at+jwt")


def starlette_app() -> Starlette:
    """Make a Starlette application with the two routes."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER).require(scope="read")

    async def plain(_: Request) -> Response:
        return Response("x")

    async def protected(request: Request) -> Response:
        await bearer(request)
        return Response("x")

    return Starlette(routes=[Route("/plain", plain), Route("/protected", protected)])


async def nothing() -> None:
    """A dependency that does nothing."""


Nothing = Annotated[None, Depends(nothing)]
Reader = Annotated[Principal, Depends(gatepass.verify.fastapi.Bearer(VERIFIER).require(scope="read"))]


def fastapi_app() -> FastAPI:
    """Make a FastAPI application with the two routes; the plain one has a dependency that does nothing."""
    app = FastAPI()

    @app.get("/plain")
    async def plain(_: Nothing) -> Response:
        return Response("x")

    @app.get("/protected")
    async def protected(_: Reader) -> Response:
        return Response("x")

    return app


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


async def microseconds(app: ASGIApp, *paths: str) -> list[float]:
    """Time a request of each path; the rounds alternate, so that a busy machine disturbs the difference little."""
    authorization = f"Bearer {token()}".encode()
    best = dict.fromkeys(paths, float("inf"))
    for _ in range(ROUNDS):
        for path in paths:
            started = time.perf_counter()
            for _ in range(REQUESTS):
                await app(scope(path, authorization), receive, send)
            best[path] = min(best[path], (time.perf_counter() - started) / REQUESTS)
    return [seconds * 1e6 for seconds in best.values()]


async def measure() -> None:
    """Print a table."""
    print(f"{'µs a request':14}{'plain':>10}{'protected':>12}{'added':>10}")
    apps: dict[str, ASGIApp] = {"Starlette": starlette_app(), "FastAPI": fastapi_app()}
    for name, app in apps.items():
        plain, protected = await microseconds(app, "/plain", "/protected")
        print(f"{name:14}{plain:10.1f}{protected:12.1f}{protected - plain:10.1f}")


def main() -> None:
    """Measure on one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(measure())


if __name__ == "__main__":
    main()
