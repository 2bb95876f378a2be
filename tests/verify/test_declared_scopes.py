"""Scopes that a framework's own means declare for a route: what OpenAPI promises is what the route asks for."""

# FastAPI and Litestar look the annotations up, so that no `from __future__ import annotations` stands here.

from typing import Annotated, Any

import fastapi
import litestar
import pytest
from fastapi.security import SecurityScopes
from fastapi.testclient import TestClient
from litestar.testing import TestClient as LitestarClient
from tests.verify.applications import VERIFIER, signed

import gatepass.verify.fastapi
import gatepass.verify.litestar
from gatepass.verify import Principal

bearer = gatepass.verify.fastapi.Bearer(VERIFIER)
User = Annotated[Principal, fastapi.Security(bearer, scopes=["orders:write"])]


def current_user(user: Annotated[Principal, fastapi.Depends(bearer)], scopes: SecurityScopes) -> Principal:
    """A dependency of the application's own, around the bearer."""
    assert set(scopes.scopes) <= user.scopes
    return user


def writer(user: Annotated[Principal, fastapi.Security(current_user, scopes=["orders:write"])]) -> Principal:
    """Two levels deep."""
    return user


app = fastapi.FastAPI()


@app.get("/param")
async def _param(user: User) -> str:
    return user.subject


@app.get("/list", dependencies=[fastapi.Security(bearer, scopes=["orders:write"])])
async def _list() -> str:
    return "user_1"


@app.get("/nested")
async def _nested(user: Annotated[Principal, fastapi.Security(current_user, scopes=["orders:write"])]) -> str:
    return user.subject


@app.get("/deeper")
async def _deeper(user: Annotated[Principal, fastapi.Security(writer, scopes=["orders:read"])]) -> str:
    return user.subject


@app.get("/optional")
async def _optional(
    user: Annotated[Principal | None, fastapi.Security(bearer.optional(), scopes=["orders:write"])],
) -> str:
    return user.subject if user else "nobody"


@app.get("/beside")
async def _beside(user: Annotated[Principal, fastapi.Depends(bearer)]) -> str:
    return user.subject


router = fastapi.APIRouter(prefix="/router", dependencies=[fastapi.Security(bearer, scopes=["orders:write"])])


@router.get("/one")
async def _one(user: Annotated[Principal, fastapi.Depends(bearer)]) -> str:
    return user.subject


app.include_router(router)


def status(client: Any, path: str, scope: str | None) -> int:  # noqa: ANN401 - a test client
    """Ask with a token of a scope, or without a token."""
    headers = {} if scope is None else {"Authorization": f"Bearer {signed(scope=scope)}"}
    answer: int = client.get(path, headers=headers).status_code
    return answer


@pytest.mark.parametrize("path", ["/param", "/list", "/nested", "/deeper", "/optional", "/router/one"])
def test_scopes_of_fastapi_are_asked_for(path: str) -> None:
    """`Security(…, scopes=[…])` is enforced on parameters, lists, routers, and around dependencies."""
    client = TestClient(app)
    assert status(client, path, "orders:write orders:read") == 200
    assert status(client, path, "orders:read") == 403
    assert status(client, path, "orders:writer") == 403
    assert status(client, path, None) == 401


def test_the_challenge_names_the_declared_scopes() -> None:
    """The client learns what to ask for (RFC 6750 §3.1)."""
    answer = TestClient(app).get("/param", headers={"Authorization": f"Bearer {signed(scope='orders:read')}"})
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="orders:write"' in answer.headers["WWW-Authenticate"]


def test_one_route_does_not_lend_its_scopes_to_another() -> None:
    """The same bearer asks for nothing more where nothing more is declared."""
    client = TestClient(app)
    for path in ("/param", "/beside", "/param", "/beside"):
        assert status(client, path, "orders:read") == (200 if path == "/beside" else 403)


def test_openapi_of_fastapi_says_the_same() -> None:
    """What is enforced is what the document promises."""
    document = app.openapi()
    assert document["paths"]["/param"]["get"]["security"] == [{"bearer": ["orders:write"]}]
    assert document["paths"]["/beside"]["get"]["security"] == [{"bearer": []}]


guard = gatepass.verify.litestar.Bearer(VERIFIER)
SCHEME = gatepass.verify.litestar.SCHEME


def handler(at: str, **options: Any) -> Any:  # noqa: ANN401 - a handler
    """A route of Litestar that says who asks."""

    @litestar.get(at, sync_to_thread=False, **options)
    def answer(request: litestar.Request[Any, Any, Any]) -> str:
        user: Principal | None = request.user
        return user.subject if user else "nobody"

    return answer


litestar_app = litestar.Litestar(
    [
        handler("/one", guards=[guard], security=[{SCHEME: ["orders:write"]}]),
        handler("/either", guards=[guard], security=[{SCHEME: ["admin"]}, {SCHEME: ["orders:write"]}]),
        handler("/none", guards=[guard], security=[{SCHEME: []}]),
        handler("/other", guards=[guard], security=[{"apiKey": ["orders:write"]}]),
        handler("/optional", guards=[guard.optional()], security=[{SCHEME: ["orders:write"]}]),
        litestar.Router(
            "/router", route_handlers=[handler("/", guards=[guard])], security=[{SCHEME: ["orders:write"]}]
        ),
    ],
    on_app_init=[guard.on_app_init],
    logging_config=None,
)


def test_scopes_of_litestar_are_asked_for() -> None:
    """`security=[{SCHEME: […]}]` of a handler or a router is enforced; of several alternatives one is enough."""
    with LitestarClient(litestar_app) as client:
        for path in ("/one", "/either", "/optional", "/router"):
            assert status(client, path, "orders:write") == 200
            assert status(client, path, "orders:read") == 403
            assert status(client, path, None) == 401
        assert status(client, "/either", "admin") == 200
        for path in ("/none", "/other"):
            assert status(client, path, "orders:read") == 200
