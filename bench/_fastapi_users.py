"""A route of FastAPI that fastapi-users protects, beside the same route without. `frameworks.py` runs it."""

# No `from __future__ import annotations`: FastAPI could not look up names that are local to a function.
# mypy: ignore-errors

import asyncio
import os
import uuid
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import Response
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import BaseUserDatabase

from _fastapi_requests import microseconds

SECRET = "s" * 32


class Person:
    """Somebody who is signed in."""

    id = uuid.uuid4()
    email, hashed_password = "ada@example.com", ""
    is_active = is_verified = True
    is_superuser = False


class InMemory(BaseUserDatabase):
    """People without a database: its cost is not fastapi-users'."""

    async def get(self, _: uuid.UUID) -> Person:
        """Find the one person."""
        return Person


class Manager(UUIDIDMixin, BaseUserManager):
    """What fastapi-users asks for."""


async def manager() -> Manager:
    """Make one for a request, as its documentation does."""
    return Manager(InMemory())


def strategy() -> JWTStrategy:
    """Sign with HS256, as its documentation does."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


BACKEND = AuthenticationBackend(name="jwt", transport=BearerTransport(tokenUrl="login"), get_strategy=strategy)
CURRENT = FastAPIUsers(manager, [BACKEND]).current_user(active=True)


async def nothing() -> None:
    """A dependency that does nothing."""


async def main() -> None:
    """Print microseconds without and with."""
    app = FastAPI()

    @app.get("/plain")
    async def plain(_: Annotated[None, Depends(nothing)]) -> Response:
        return Response("x")

    @app.get("/protected")
    async def protected(_: Annotated[object, Depends(CURRENT)]) -> Response:
        return Response("x")

    token = await strategy().write_token(Person)
    print(*await microseconds(app, f"Bearer {token}".encode(), "/plain", "/protected"))


if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
asyncio.run(main())
