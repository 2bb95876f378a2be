"""The whole server inside somebody's own application, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from fastapi import Depends, FastAPI
from litestar import Litestar
from litestar.handlers import asgi
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount
from tests.support.factors import bearer, sign_in
from tests.support.ports import free_port
from tests.support.server import ANN, CHEAP_ARGON2
from tests.support.wait import eventually

from gatepass.server import create_app
from gatepass.server.base.errors import StartupError
from gatepass.verify import Principal, Verifier  # noqa: TC001 - FastAPI reads the annotation
from gatepass.verify.fastapi import Bearer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from gatepass.server import EmbeddedServer


def fastapi_host(auth: EmbeddedServer) -> Any:  # noqa: ANN401 - an ASGI application
    """As the guide writes it, with an API of the host's own that verifies the tokens."""
    app = FastAPI(lifespan=auth.lifespan)
    verifier = Verifier(issuer=auth.settings.issuer_url, audience="host")
    bearer_of_host = Bearer(verifier)
    app.state.verifier = verifier

    @app.get("/mine")
    async def mine(user: Principal = Depends(bearer_of_host)) -> dict[str, str]:  # noqa: B008, FAST002 - local
        return {"subject": user.subject}

    app.mount("/auth", auth)
    app.mount("/.well-known", auth.well_known)
    return app


def starlette_host(auth: EmbeddedServer) -> Any:  # noqa: ANN401 - an ASGI application
    """With a middleware that compresses whatever passes."""
    routes = [Mount("/auth", app=auth), Mount("/.well-known", app=auth.well_known)]
    app = Starlette(routes=routes, lifespan=auth.lifespan)
    app.add_middleware(GZipMiddleware)
    return app


def litestar_host(auth: EmbeddedServer) -> Any:  # noqa: ANN401 - an ASGI application
    """Which cuts the path of the mount off."""
    mounted = [asgi(path, is_mount=True, copy_scope=True)(_handler(auth)) for path in ("/auth", "/.well-known")]
    return Litestar(route_handlers=mounted, lifespan=[auth.lifespan])


def _handler(auth: EmbeddedServer) -> Callable[..., Any]:
    async def handle(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - Litestar's types
        await auth(scope, receive, send)

    return handle


@contextmanager
def running(app: Any, port: int) -> Generator[None]:  # noqa: ANN401 - an ASGI application
    """Run an application by plain uvicorn, as its author would."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="host")
    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=30)


def embedded(tmp_path: Path, port: int, **settings: object) -> EmbeddedServer:
    """The server under /auth of a host at a port."""
    issuer = f"http://localhost:{port}/auth"
    given: dict[str, Any] = {"data_dir": str(tmp_path / "data"), "audience": ("host",), **CHEAP_ARGON2, **settings}
    return create_app(issuer=issuer, **given)


@pytest.mark.parametrize("host", [fastapi_host, starlette_host, litestar_host])
def test_the_road_inside_another_application(tmp_path: Path, host: Callable[[EmbeddedServer], Any]) -> None:
    """Signing up and in, metadata where clients look, refreshing, and a logout that kills the token."""
    port = free_port()
    with running(host(embedded(tmp_path, port)), port), httpx.Client(base_url=f"http://localhost:{port}/auth") as api:
        assert api.post("/signup", json=ANN).status_code == 201
        pair = sign_in(api, ANN).json()
        assert api.get("/me", headers=bearer(pair["token"])).json()["email"] == ANN["email"]
        for place in ("/.well-known/oauth-authorization-server/auth", "/auth/.well-known/openid-configuration"):
            found = httpx.get(f"http://localhost:{port}{place}")
            assert found.json()["issuer"] == f"http://localhost:{port}/auth", place
        assert "/auth/static/" in api.get("/pages/login").text
        pair = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
        assert api.post("/logout", headers=bearer(pair["token"])).status_code == 204
        assert api.get("/me", headers=bearer(pair["token"])).status_code == 401
        assert httpx.get(f"http://localhost:{port}/nothing").status_code == 404


def test_the_hosts_own_api_verifies_its_tokens(tmp_path: Path) -> None:
    """One process: the tokens of the mounted server open the host's own call, until the session ends."""
    port = free_port()
    host = fastapi_host(embedded(tmp_path, port))
    with running(host, port), httpx.Client(base_url=f"http://localhost:{port}") as api:
        person = api.post("/auth/signup", json=ANN).json()["id"]
        token = api.post("/auth/login", json=ANN).json()["token"]
        assert api.get("/mine", headers=bearer(token)).json() == {"subject": person}
        assert api.get("/mine").status_code == 401
        api.post("/auth/logout", headers=bearer(token))
        eventually(lambda: api.get("/mine", headers=bearer(token)).status_code == 401)
        host.state.verifier.close()


def test_a_host_that_forgets_the_lifespan_is_told(tmp_path: Path) -> None:
    """A mounted application's lifespan is run by nobody; then every call says what is missing."""
    port = free_port()
    app = Starlette(routes=[Mount("/auth", app=embedded(tmp_path, port))])
    with running(app, port):
        answer = httpx.get(f"http://localhost:{port}/auth/health")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_started")
    assert "lifespan" in answer.json()["detail"]


def test_on_its_own_it_is_an_application_too(tmp_path: Path) -> None:
    """Under any ASGI server its own lifespan is run."""
    port = free_port()
    with running(embedded(tmp_path, port), port):
        assert httpx.get(f"http://localhost:{port}/auth/health").status_code in (200, 404)
        assert httpx.post(f"http://localhost:{port}/auth/signup", json=ANN).status_code == 201


def test_a_mounted_server_has_no_console(tmp_path: Path) -> None:
    """A script of the host is of the same origin: an operator's pages need an origin of the server's own."""
    port = free_port()
    with running(fastapi_host(embedded(tmp_path, port)), port):
        assert httpx.get(f"http://localhost:{port}/auth/pages/admin").status_code == 404
        assert httpx.get(f"http://localhost:{port}/auth/pages/login").status_code == 200
    for same in ("", f"http://LOCALHOST:{port}/shop"):
        with pytest.raises(StartupError, match="at the origin of the application"):
            embedded(tmp_path, port, console=True, application_origin=same)
    apart = embedded(tmp_path, port, application_origin="https://www.example.com")
    with running(fastapi_host(apart), port):
        assert httpx.get(f"http://localhost:{port}/auth/pages/admin").status_code == 303


def test_bodies_have_their_limit_there_too(tmp_path: Path) -> None:
    """The host's server has none."""
    port = free_port()
    with running(fastapi_host(embedded(tmp_path, port)), port):
        answer = httpx.post(f"http://localhost:{port}/auth/signup", content=b"{" + b" " * 2_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_an_issuer_is_needed() -> None:
    """Nobody can know where it is mounted."""
    with pytest.raises(StartupError, match="needs an issuer"):
        create_app(data_dir="unused")
