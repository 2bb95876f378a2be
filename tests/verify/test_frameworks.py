"""One table of behaviour, for every framework, over real sockets: what goes in, and what answer comes out."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import fastapi
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from tests.support.scripted_issuer import NOW, Clock
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import gatepass.verify.fastapi
import gatepass.verify.starlette
from gatepass.jose import Key, KeySet, jwt
from gatepass.verify import FetchError, Principal, Verifier

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp
    from starlette.websockets import WebSocket

    from gatepass.verify import Fetched

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
VERIFIER = Verifier(issuer=ISSUER, audience="my-api", keys=KeySet([KEY.public()]), clock=Clock())


def _is_down(_: str) -> Fetched:
    raise FetchError("down")


UNREACHABLE = Verifier(issuer=ISSUER, audience="my-api", fetch=_is_down, clock=Clock())


def signed(*, key: Key = KEY, typ: str = "at+jwt", **changes: Any) -> str:  # noqa: ANN401 - any claim
    """Sign a good token with some claims changed; None takes a claim away."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": "user_1",
        "aud": "my-api",
        "exp": int(NOW) + 900,
        "iat": int(NOW),
        "jti": "tok_1",
        "client_id": "first-party",
    }
    return jwt.sign({name: value for name, value in (claims | changes).items() if value is not None}, key, typ=typ)


# ── the same application twice ──────────────────────────────────────────────────────────────────────────────────────


def starlette_app() -> Starlette:
    """Protect routes as a Starlette application does."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER)
    unreachable = gatepass.verify.starlette.Bearer(UNREACHABLE)
    may_write = bearer.require(scope="orders:write", role="admin")
    stepped_up = bearer.require(acr="2fa passkey", max_age=300)

    async def dashboard(request: Request) -> Response:
        return JSONResponse({"subject": (await bearer(request)).subject})

    async def order(request: Request) -> Response:
        return JSONResponse({"subject": (await may_write(request)).subject})

    async def vault(request: Request) -> Response:
        return JSONResponse({"subject": (await stepped_up(request)).subject})

    async def outage(request: Request) -> Response:
        return JSONResponse({"subject": (await unreachable(request)).subject})

    async def live(websocket: WebSocket) -> None:
        user = await bearer(websocket)
        await websocket.accept()
        await websocket.send_text(user.subject)
        await websocket.close()

    return Starlette(
        routes=[
            Route("/dashboard", dashboard),
            Route("/order", order),
            Route("/vault", vault),
            Route("/outage", outage),
            WebSocketRoute("/live", live),
        ]
    )


bearer = gatepass.verify.fastapi.Bearer(VERIFIER)
unreachable = gatepass.verify.fastapi.Bearer(UNREACHABLE)
User = Annotated[Principal, fastapi.Depends(bearer)]
RecentUser = Annotated[Principal, fastapi.Depends(bearer.require(acr="2fa passkey", max_age=300))]
AnyUser = Annotated[Principal, fastapi.Depends(unreachable)]


def fastapi_app() -> fastapi.FastAPI:
    """Protect routes as a FastAPI application does."""
    app = fastapi.FastAPI()

    @app.get("/dashboard")
    async def dashboard(user: User) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/order", dependencies=[fastapi.Depends(bearer.require(scope="orders:write", role="admin"))])
    async def order(user: User) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/vault")
    async def vault(user: RecentUser) -> dict[str, str]:
        return {"subject": user.subject}

    @app.get("/outage")
    async def outage(user: AnyUser) -> dict[str, str]:
        return {"subject": user.subject}

    @app.websocket("/live")
    async def live(websocket: fastapi.WebSocket, user: User) -> None:
        await websocket.accept()
        await websocket.send_text(user.subject)
        await websocket.close()

    return app


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="websockets-sansio"))
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    @property
    def port(self) -> int:
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


@pytest.fixture(scope="module", params=[starlette_app, fastapi_app], ids=["starlette", "fastapi"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve one of the applications."""
    server = _Server(request.param())
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listens.wait(10)
    yield server.port
    server.should_exit = True
    thread.join()


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Case(NamedTuple):
    """A request and its answer."""

    path: str
    authorization: list[str]
    status: int
    challenge: str | None = None
    retry_after: str | None = None


def bad(reason: str) -> str:
    """The challenge to a token that is not good."""
    return f'Bearer error="invalid_token", error_description="the access token was refused: {reason}"'


def malformed(description: str) -> str:
    """The challenge to a request that carries its token in a wrong way."""
    return f'Bearer error="invalid_request", error_description="{description}"'


SEVERAL = malformed("the request has more than one Authorization header")
NOT_ONE = malformed("Bearer is not followed by one token")
NO_SCOPE = 'Bearer error="insufficient_scope", error_description="a scope is missing", scope="orders:write"'
NO_ROLE = 'Bearer error="insufficient_scope", error_description="the role is missing", scope="orders:write"'
STEP_UP = (
    'Bearer error="insufficient_user_authentication", error_description="{}", acr_values="2fa passkey", max_age="300"'
)
STRONGER = STEP_UP.format("a stronger sign-in is needed")
SOONER = STEP_UP.format("a more recent sign-in is needed")
GOOD = signed()
WRITER: dict[str, Any] = {"scope": "orders:read orders:write", "roles": ["admin"]}
RECENT: dict[str, Any] = {"acr": "2fa", "auth_time": int(NOW) - 300}

CASES = {
    "good token": Case("/dashboard", [f"Bearer {GOOD}"], 200),
    "scheme in lower case": Case("/dashboard", [f"bearer {GOOD}"], 200),
    "scheme in upper case": Case("/dashboard", [f"BEARER {GOOD}"], 200),
    "several blanks": Case("/dashboard", [f"Bearer   {GOOD}"], 200),
    "no header": Case("/dashboard", [], 401, "Bearer"),
    "empty header": Case("/dashboard", [""], 401, "Bearer"),
    "another scheme": Case("/dashboard", ["Basic dXNlcjpwYXNz"], 401, "Bearer"),
    "token without scheme": Case("/dashboard", [GOOD], 401, "Bearer"),
    "scheme that begins alike": Case("/dashboard", [f"Bearers {GOOD}"], 401, "Bearer"),
    "token in the query only": Case(f"/dashboard?access_token={GOOD}", [], 401, "Bearer"),
    "scheme without token": Case("/dashboard", ["Bearer"], 400, NOT_ONE),
    "scheme and a blank": Case("/dashboard", ["Bearer "], 400, NOT_ONE),
    "two tokens in one header": Case("/dashboard", [f"Bearer {GOOD} {GOOD}"], 400, NOT_ONE),
    "two headers joined by a proxy": Case("/dashboard", [f"Bearer {GOOD}, Bearer {GOOD}"], 400, NOT_ONE),
    "two headers": Case("/dashboard", [f"Bearer {GOOD}", f"Bearer {GOOD}"], 400, SEVERAL),
    "two headers of different schemes": Case("/dashboard", ["Basic dTpw", f"Bearer {GOOD}"], 400, SEVERAL),
    "no token at all": Case("/dashboard", ["Bearer x"], 401, bad("malformed")),
    "not ASCII": Case("/dashboard", ["Bearer \xe9.\xe9.\xe9"], 401, bad("malformed")),
    "quotes": Case("/dashboard", ['Bearer "a.b.c"'], 401, bad("malformed")),
    "padded": Case("/dashboard", [f"Bearer {GOOD}="], 401, bad("malformed")),
    "expired": Case("/dashboard", [f"Bearer {signed(exp=int(NOW))}"], 401, bad("expired")),
    "not yet valid": Case("/dashboard", [f"Bearer {signed(nbf=int(NOW) + 1)}"], 401, bad("not_yet_valid")),
    "from the future": Case("/dashboard", [f"Bearer {signed(iat=int(NOW) + 61)}"], 401, bad("issued_in_future")),
    "another audience": Case("/dashboard", [f"Bearer {signed(aud='other')}"], 401, bad("wrong_audience")),
    "another issuer": Case("/dashboard", [f"Bearer {signed(iss='https://x')}"], 401, bad("wrong_issuer")),
    "an ID token": Case("/dashboard", [f"Bearer {signed(typ='JWT')}"], 401, bad("wrong_typ")),
    "no jti": Case("/dashboard", [f"Bearer {signed(jti=None)}"], 401, bad("missing_claim")),
    "roles as text": Case("/dashboard", [f"Bearer {signed(roles='admin')}"], 401, bad("bad_claim")),
    "bound to a key": Case("/dashboard", [f"Bearer {signed(cnf={'jkt': 'x'})}"], 401, bad("unproven_cnf")),
    "unknown key": Case("/dashboard", [f"Bearer {signed(key=Key.generate('ES256'))}"], 401, bad("unknown_key")),
    "same kid, other key": Case(
        "/dashboard", [f"Bearer {signed(key=Key.generate('ES256', kid=KEY.kid))}"], 401, bad("bad_signature")
    ),
    "same kid, other algorithm": Case(
        "/dashboard", [f"Bearer {signed(key=Key.generate('HS256', kid=KEY.kid))}"], 401, bad("alg_not_allowed")
    ),
    "scope and role": Case("/order", [f"Bearer {signed(**WRITER)}"], 200),
    "no scope": Case("/order", [f"Bearer {signed(roles=['admin'])}"], 403, NO_SCOPE),
    "scope that begins alike": Case("/order", [f"Bearer {signed(scope='orders:write2')}"], 403, NO_SCOPE),
    "scope in upper case": Case("/order", [f"Bearer {signed(scope='ORDERS:WRITE')}"], 403, NO_SCOPE),
    "scope without role": Case("/order", [f"Bearer {signed(scope='orders:write')}"], 403, NO_ROLE),
    "another role": Case("/order", [f"Bearer {signed(scope='orders:write', roles=['admins'])}"], 403, NO_ROLE),
    "a bad token is told so before what it lacks": Case("/order", [f"Bearer {signed(exp=1)}"], 401, bad("expired")),
    "no token where a scope is needed": Case("/order", [], 401, "Bearer"),
    "strong and recent": Case("/vault", [f"Bearer {signed(**RECENT)}"], 200),
    "the other acr": Case("/vault", [f"Bearer {signed(**RECENT | {'acr': 'passkey'})}"], 200),
    "no acr": Case("/vault", [f"Bearer {signed(auth_time=int(NOW))}"], 401, STRONGER),
    "another acr": Case("/vault", [f"Bearer {signed(acr='2', auth_time=int(NOW))}"], 401, STRONGER),
    "all acrs as one": Case("/vault", [f"Bearer {signed(acr='2fa passkey', auth_time=int(NOW))}"], 401, STRONGER),
    "too long ago": Case("/vault", [f"Bearer {signed(acr='2fa', auth_time=int(NOW) - 301)}"], 401, SOONER),
    "no auth_time": Case("/vault", [f"Bearer {signed(acr='2fa')}"], 401, SOONER),
    "issuer down": Case("/outage", [f"Bearer {GOOD}"], 503, None, "5"),
    "issuer down, no token": Case("/outage", [], 401, "Bearer"),
    "issuer down, rubbish": Case("/outage", ["Bearer x"], 401, bad("malformed")),
    "issuer down, wrong kind": Case("/outage", [f"Bearer {signed(typ='JWT')}"], 401, bad("wrong_typ")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_table(port: int, case: Case) -> None:
    """Each request gets the status and the challenge of RFC 6750 and RFC 9470, whatever the framework."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", case.path)
    for value in case.authorization:
        connection.putheader("Authorization", value.encode("latin-1"))
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == case.status
    assert answer.headers.get_all("WWW-Authenticate", []) == ([case.challenge] if case.challenge else [])
    assert answer.headers["Retry-After"] == case.retry_after
    if case.status == 200:
        assert b"user_1" in body
    else:
        assert not any(value.split()[-1].encode() in body for value in case.authorization if len(value) > 20)


def test_a_websocket_with_a_token(port: int) -> None:
    """The handshake carries the token as any request does."""
    with connect(f"ws://127.0.0.1:{port}/live", additional_headers={"Authorization": f"Bearer {GOOD}"}) as socket:
        assert socket.recv() == "user_1"


def test_a_websocket_without_a_token(port: int) -> None:
    """The handshake fails with the same answer as any request."""
    with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{port}/live"):
        pass
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"


def test_openapi_declares_the_scheme() -> None:
    """FastAPI's document says that the routes take a JWT as a bearer token, once, and names it per route."""
    document = fastapi_app().openapi()
    assert document["components"]["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert {tuple(route["get"]["security"][0]) for route in document["paths"].values()} == {("bearer",)}


def test_a_requirement_that_makes_no_sense_fails_at_start() -> None:
    """A typo in a route's requirement shows when the route is made."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER)
    for arguments in ({"scope": ""}, {"scope": 'a"b'}, {"scope": "é"}, {"acr": " "}, {"role": ""}, {"max_age": -1}):
        with pytest.raises(gatepass.jose.errors.InvalidPolicyError):
            bearer.require(**arguments)
