"""What `Bearer` adds to a request: a protected route beside the same route without, in Starlette and FastAPI.

The application is called as a server calls it, without sockets, on one core, in processor time; the fastest of several
rounds counts. Beside it, in FastAPI: PyJWT in a dependency, and fastapi-users with its JWT strategy and people in
memory, in an environment of its own (`.cache/fastapi-users`), since it insists on older versions of what we use.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import jwt as pyjwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer  # noqa: TC002 - FastAPI reads the annotations
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import Response
from starlette.routing import Route

import gatepass.verify.fastapi
import gatepass.verify.starlette
from _fastapi_requests import microseconds
from gatepass.jose import Key, jwt
from gatepass.verify import Principal, Verifier

ISSUER, AUDIENCE = "https://auth.example.com", "my-api"
CACHE = Path(__file__).parents[1] / ".cache" / "fastapi-users"
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


PUBLIC = pyjwt.PyJWK.from_dict(KEY.public().to_jwk(), "ES256").key


async def decoded(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict[str, Any]:
    """Verify with PyJWT, as its users write it."""
    try:
        claims: dict[str, Any] = pyjwt.decode(
            credentials.credentials, PUBLIC, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE
        )
    except pyjwt.InvalidTokenError as error:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from error
    return claims


ByPyJWT = Annotated[dict[str, Any], Depends(decoded)]


def fastapi_app() -> FastAPI:
    """Make a FastAPI application with the two routes; the plain one has a dependency that does nothing."""
    app = FastAPI()

    @app.get("/plain")
    async def plain(_: Nothing) -> Response:
        return Response("x")

    @app.get("/protected")
    async def protected(_: Reader) -> Response:
        return Response("x")

    @app.get("/pyjwt")
    async def by_pyjwt(_: ByPyJWT) -> Response:
        return Response("x")

    return app


def fastapi_users() -> tuple[float, float]:
    """Measure fastapi-users in its own environment: microseconds without and with its dependency."""
    python = CACHE / "bin" / "python"
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", CACHE], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "fastapi-users>=15"], check=True)
    done = subprocess.run(
        [python, Path(__file__).with_name("_fastapi_users.py")], check=True, capture_output=True, text=True
    )
    plain, protected = map(float, done.stdout.split())
    return plain, protected


async def measure() -> None:
    """Print a table."""
    print(f"{'µs a request':32}{'plain':>10}{'protected':>12}{'added':>10}")

    def row(name: str, plain: float, protected: float) -> None:
        print(f"{name:32}{plain:10.1f}{protected:12.1f}{protected - plain:10.1f}")

    authorization = f"Bearer {token()}".encode()
    row("Starlette", *await microseconds(starlette_app(), authorization, "/plain", "/protected"))
    plain, protected, by_pyjwt = await microseconds(fastapi_app(), authorization, "/plain", "/protected", "/pyjwt")
    row("FastAPI", plain, protected)
    row("FastAPI, PyJWT in a dependency", plain, by_pyjwt)
    row("FastAPI, fastapi-users", *fastapi_users())


def main() -> None:
    """Measure on one core, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(measure())


if __name__ == "__main__":
    main()
