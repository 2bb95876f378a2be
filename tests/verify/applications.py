"""The same application in every framework: each of `ROUTES` answers who the request is from.

A framework gets the same bearers, made by its own module; only how a route is written differs.
"""

from __future__ import annotations

import asyncio
import http.client
import threading
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import django
import django.conf
import django.core.asgi
import django.core.wsgi
import fastapi
import flask
import grpc
import grpc.aio
import litestar
import litestar.datastructures
import litestar.handlers
import uvicorn
import waitress.server
from django.http import JsonResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from tests.support.scripted_issuer import NOW, Clock

import gatepass.verify.asgi
import gatepass.verify.fastapi
import gatepass.verify.flask
import gatepass.verify.grpc
import gatepass.verify.litestar
import gatepass.verify.starlette
import gatepass.verify.wsgi
from gatepass.jose import Key, KeySet, jwt
from gatepass.verify import DPoPPolicy, FetchError, Principal, Resource, Verifier

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from django.http import HttpRequest
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket

    from gatepass.verify import Fetched
    from gatepass.verify.guard import TokenVerifier

ISSUER = "https://auth.example.com"
OTHER_ISSUER = "https://other.example.com"
PAGES = "https://app.example.com"
RESOURCE = Resource(url="https://api.example.com/v1", scopes=("orders:read", "orders:write"), name="Orders")

KEY = Key.generate("ES256")
OTHER_KEY = Key.generate("Ed25519")
CLOCK = Clock()
VERIFIER = Verifier(issuer=ISSUER, audience="my-api", keys=KeySet([KEY.public()]), clock=CLOCK)
OTHER = Verifier(issuer=OTHER_ISSUER, audience="other-api", keys=OTHER_KEY.public(), clock=CLOCK, typ=None)
NONCE_SECRET = b"n" * 32


def _is_down(_: str) -> Fetched:
    raise FetchError("down")


def _bound() -> Verifier:
    """Take nothing but DPoP; each application has a memory of its own of which proofs were used."""
    policy = DPoPPolicy(required=True, nonce_secret=NONCE_SECRET)
    return Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public(), clock=CLOCK, dpop=policy)


UNREACHABLE = Verifier(issuer=ISSUER, audience="my-api", revocation=None, fetch=_is_down, clock=CLOCK)


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


def bearers(module: Any) -> dict[str, Any]:  # noqa: ANN401 - every framework's module has the same names
    """Make the bearer of each route."""

    def make(verifier: TokenVerifier, **options: object) -> Any:  # noqa: ANN401 - as above
        return module.Bearer(verifier, **options)

    bearer = make(VERIFIER)
    return {
        "/dashboard": bearer,
        "/order": bearer.require(scope="orders:write", role="admin"),
        "/publish": bearer.require(permission="articles:write articles:read"),
        "/vault": bearer.require(acr="2fa passkey", max_age=300),
        "/code": bearer.require(amr="otp pwd", max_age=300),
        "/twice": bearer.require(scope="a b").require(scope="b c"),
        "/outage": make(UNREACHABLE),
        "/maybe": bearer.optional(),
        "/several": make(Verifier.any_of(VERIFIER, OTHER)),
        "/v1/cookie": make(VERIFIER, cookie=module.Cookie(origins=(PAGES,)), resource=RESOURCE),
        "/v1/bound": make(_bound(), resource=RESOURCE),
    }


def named(who: Principal | None) -> dict[str, str | None]:
    """What every route answers."""
    return {"subject": who.subject if who else None}


# ── the applications ────────────────────────────────────────────────────────────────────────────────────────────────


def starlette_app() -> Starlette:
    """Routes of Starlette."""
    every = bearers(gatepass.verify.starlette)

    def route(at: str, bearer: gatepass.verify.starlette.Bearer[Principal]) -> Route:
        async def answer(request: Request) -> Response:
            return JSONResponse(named(await bearer(request)))

        return Route(at, answer, methods=["GET", "POST"])

    def live(at: str) -> WebSocketRoute:
        async def answer(websocket: WebSocket) -> None:
            user = await every[at](websocket)
            await websocket.accept()
            await websocket.send_text(user.subject)
            await websocket.close()

        return WebSocketRoute("/live" + at, answer)

    return Starlette(
        routes=[
            *(route(at, bearer) for at, bearer in every.items()),
            live("/dashboard"),
            live("/v1/cookie"),
            every["/v1/cookie"].metadata_route(),
        ]
    )


def fastapi_app() -> fastapi.FastAPI:
    """Dependencies of FastAPI."""
    app = fastapi.FastAPI()
    every = bearers(gatepass.verify.fastapi)

    def bind(answer: Any, at: str) -> Any:  # noqa: ANN401 - FastAPI reads the annotations, which must name `every[at]`
        answer.__annotations__["user"] = Annotated[Principal | None, fastapi.Depends(every[at])]
        return answer

    def route(at: str) -> None:
        async def answer(user: Principal | None) -> dict[str, str | None]:
            return named(user)

        app.get(at)(bind(answer, at))
        app.post(at)(bind(answer, at))

    for at in every:
        route(at)

    def live(at: str) -> None:
        async def answer(websocket: fastapi.WebSocket, user: Principal) -> None:
            await websocket.accept()
            await websocket.send_text(user.subject)
            await websocket.close()

        answer.__annotations__["websocket"] = fastapi.WebSocket
        app.websocket("/live" + at)(bind(answer, at))

    live("/dashboard")
    live("/v1/cookie")
    app.router.routes.append(every["/v1/cookie"].metadata_route())
    return app


def litestar_app() -> litestar.Litestar:
    """Guards of Litestar."""
    every = bearers(gatepass.verify.litestar)

    def route(at: str) -> Any:  # noqa: ANN401 - a handler
        async def answer(request: litestar.Request[Principal | None, None, litestar.datastructures.State]) -> Any:  # noqa: ANN401
            return named(request.user)

        answer.__annotations__["request"] = litestar.Request
        answer.__annotations__["return"] = dict[str, str | None]
        return litestar.route(
            at, http_method=["GET", "POST"], status_code=200, guards=[every[at]], security=[{"bearer": []}]
        )(answer)

    def live(at: str) -> Any:  # noqa: ANN401 - a handler
        async def answer(socket: litestar.WebSocket[Principal, None, litestar.datastructures.State]) -> None:
            await socket.accept()
            await socket.send_text(socket.user.subject)
            await socket.close()

        answer.__annotations__["socket"] = litestar.WebSocket
        answer.__annotations__["return"] = None
        return litestar.handlers.websocket("/live" + at, guards=[every[at]])(answer)

    handlers = [*map(route, every), live("/dashboard"), live("/v1/cookie"), every["/v1/cookie"].metadata_route()]
    return litestar.Litestar(handlers, on_app_init=[every["/dashboard"].on_app_init], logging_config=None)


def asgi_app() -> Any:  # noqa: ANN401 - an ASGI application
    """A plain ASGI application in parts."""

    async def answer(scope: Any, _: object, send: Any) -> None:  # noqa: ANN401 - ASGI's
        who = scope[gatepass.verify.asgi.PRINCIPAL]
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": who.subject})
            await send({"type": "websocket.close"})
        else:
            await JSONResponse(named(who))(scope, cast("Any", None), send)

    parts = {at: bearer.protect(answer) for at, bearer in bearers(gatepass.verify.asgi).items()}
    parts |= {"/live" + at: parts[at] for at in ("/dashboard", "/v1/cookie")}
    parts[RESOURCE.metadata_path] = parts["/v1/cookie"]

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's
        await parts[scope["path"]](scope, receive, send)

    return app


def wsgi_app() -> Any:  # noqa: ANN401 - a WSGI application
    """A plain WSGI application in parts."""

    def answer(environ: Any, start_response: Any) -> list[bytes]:  # noqa: ANN401 - WSGI's
        start_response("200 OK", [("Content-Type", "application/json")])
        return [bytes(JSONResponse(named(environ[gatepass.verify.wsgi.PRINCIPAL])).body)]

    parts = {at: bearer.protect(answer) for at, bearer in bearers(gatepass.verify.wsgi).items()}
    parts[RESOURCE.metadata_path] = parts["/v1/cookie"]
    return lambda environ, start_response: parts[environ["PATH_INFO"]](environ, start_response)


def flask_app() -> flask.Flask:
    """Views of Flask."""
    app = flask.Flask(__name__)
    every = bearers(gatepass.verify.flask)

    def answer(user: Principal | None) -> flask.Response:
        return flask.jsonify(named(user))

    for at, bearer in every.items():
        app.add_url_rule(at, at.replace("/", "_"), bearer.protect(answer), methods=["GET", "POST"])
    app.register_blueprint(every["/v1/cookie"].metadata_route())
    return app


def configure_django() -> None:
    """Django has one configuration a process."""
    if not django.conf.settings.configured:
        django.conf.settings.configure(
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=_urls([]),
            SECRET_KEY="x" * 50,
            MIDDLEWARE=[
                f"{__name__}.ChosenUrls",
                "django.middleware.csrf.CsrfViewMiddleware",
            ],
            REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
            LOGGING_CONFIG=None,
        )
        django.setup(set_prefix=False)


def _urls(patterns: list[Any]) -> ModuleType:
    urls = ModuleType("urls")
    vars(urls)["urlpatterns"] = patterns
    return urls


_CHOSEN: dict[str, Any] = {}


def ChosenUrls(get_response: Any) -> Any:  # noqa: ANN401, N802 - a middleware of Django's
    """Use the URLs of the application that the server was started with: it names itself in the environ."""

    def chosen(request: HttpRequest) -> Any:  # noqa: ANN401 - as above
        name = request.META.get("tests.urls")
        if name is not None:
            request.urlconf = _CHOSEN[name]
        return get_response(request)

    return chosen


def _wsgi_django(name: str, patterns: list[Any]) -> Any:  # noqa: ANN401 - a WSGI application
    configure_django()
    _CHOSEN[name] = _urls(patterns)
    app = django.core.wsgi.get_wsgi_application()
    return lambda environ, start_response: app({**environ, "tests.urls": name}, start_response)


def django_app() -> Any:  # noqa: ANN401 - a WSGI application
    """Views of Django."""
    from gatepass.verify import django as module  # noqa: PLC0415 - Django wants to be configured first

    every = bearers(module)

    def answer(_: HttpRequest, user: Principal | None) -> JsonResponse:
        return JsonResponse(named(user))

    patterns = [path(at[1:], bearer.protect(answer)) for at, bearer in every.items()]
    return _wsgi_django("views", [*patterns, every["/v1/cookie"].metadata_route()])


def rest_framework_app() -> Any:  # noqa: ANN401 - a WSGI application
    """Views of Django REST framework."""
    configure_django()
    from rest_framework.response import Response as RestResponse  # noqa: PLC0415 - as above
    from rest_framework.views import APIView  # noqa: PLC0415 - as above

    from gatepass.verify import rest_framework as module  # noqa: PLC0415 - as above

    every = bearers(module)

    def view(bearer: Any) -> Any:  # noqa: ANN401 - a bearer, and a view
        class Answer(APIView):
            authentication_classes = (bearer.authentication,)
            permission_classes = ()

            def get(self, request: Any) -> RestResponse:  # noqa: ANN401 - REST framework's
                return RestResponse(named(request.user))

            post = get

        return Answer.as_view()

    patterns = [path(at[1:], view(bearer)) for at, bearer in every.items()]
    return _wsgi_django("rest", [*patterns, every["/v1/cookie"].metadata_route()])


def async_django_app() -> Any:  # noqa: ANN401 - an ASGI application
    """Asynchronous views of Django."""
    configure_django()
    from gatepass.verify import django as module  # noqa: PLC0415 - as above

    every = bearers(module)

    async def answer(_: HttpRequest, user: Principal | None) -> JsonResponse:
        await asyncio.sleep(0)
        return JsonResponse(named(user))

    patterns = [path(at[1:], bearer.protect(answer)) for at, bearer in every.items()]
    django.conf.settings.ROOT_URLCONF = _urls([*patterns, every["/v1/cookie"].metadata_route()])
    return django.core.asgi.get_asgi_application()


# ── serving them ────────────────────────────────────────────────────────────────────────────────────────────────────


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    challenges: Sequence[str]
    body: str


class Served(NamedTuple):
    """An application on a port."""

    port: int

    def ask(self, method: str, path: str, headers: Sequence[tuple[str, str]]) -> Answer:
        """Send a request as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path)
        for name, value in headers:
            connection.putheader(name, value.encode("latin-1"))
        if method == "POST":
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return Answer(
            answer.status,
            cast("Mapping[str, str]", answer.headers),
            answer.headers.get_all("WWW-Authenticate", []),
            body,
        )


class _Uvicorn(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - an ASGI application
        super().__init__(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="websockets-sansio"))
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    @property
    def port(self) -> int:
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port


@contextmanager
def on_uvicorn(app: Callable[[], Any]) -> Iterator[Served]:
    """Serve an ASGI application."""
    server = _Uvicorn(app())
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.listens.wait(10)
    yield Served(server.port)
    server.should_exit = True
    thread.join()


@contextmanager
def on_waitress(app: Callable[[], Any]) -> Iterator[Served]:
    """Serve a WSGI application."""
    sockets: dict[int, Any] = {}
    server = waitress.server.create_server(
        app(), map=sockets, port=0, host="127.0.0.1", threads=2, clear_untrusted_proxy_headers=True
    )
    ends = threading.Event()

    def run() -> None:
        while not ends.is_set():
            server.asyncore.loop(0.01, map=sockets, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    yield Served(int(cast("Any", server).effective_port))
    ends.set()
    thread.join()
    server.task_dispatcher.shutdown()
    server.close()
    server.asyncore.close_all(sockets)


class ServedByGrpc(NamedTuple):
    """Methods of gRPC on a port; its status codes are told as those of HTTP."""

    port: int

    def ask(self, method: str, path: str, headers: Sequence[tuple[str, str]]) -> Answer:
        """Call a method; `method` is always POST in gRPC."""
        assert method == "GET"
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call = cast("Any", channel).unary_unary(path)
            try:
                body, done = call.with_call(
                    b"", metadata=[(name.lower(), value) for name, value in headers], timeout=10
                )
            except grpc.RpcError as error:
                done, body = cast("Any", error), cast("Any", error).details().encode()
        statuses = {
            "OK": 200,
            "INVALID_ARGUMENT": 400,
            "UNAUTHENTICATED": 401,
            "PERMISSION_DENIED": 403,
            "UNAVAILABLE": 503,
        }
        trailers = [(name, value) for name, value in done.trailing_metadata() or () if isinstance(value, str)]
        challenges = [value for name, value in trailers if name == "www-authenticate"]
        titled = {name.title().replace("Dpop", "DPoP"): value for name, value in trailers}
        return Answer(statuses[done.code().name], titled, challenges, body.decode())


@contextmanager
def on_grpc() -> Iterator[ServedByGrpc]:
    """Serve the routes as methods."""
    every = bearers(gatepass.verify.grpc)

    async def answer(_: bytes, __: object) -> bytes:
        try:
            who = gatepass.verify.grpc.principal()
        except gatepass.verify.errors.MissingTokenError:
            return b'{"subject":null}'
        return bytes(JSONResponse(named(who)).body)

    class Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it takes none
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - a handler
            return grpc.unary_unary_rpc_method_handler(answer) if handler_call_details.method in every else None

    told: list[int] = []
    listens, loop = threading.Event(), asyncio.new_event_loop()
    ends = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server(interceptors=[every["/dashboard"].interceptor(every)])
        server.add_generic_rpc_handlers([Handlers()])
        told.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        listens.set()
        await ends.wait()
        await server.stop(0)

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert listens.wait(10)
    yield ServedByGrpc(told[0])
    loop.call_soon_threadsafe(ends.set)
    thread.join()


FRAMEWORKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "starlette": lambda: on_uvicorn(starlette_app),
    "fastapi": lambda: on_uvicorn(fastapi_app),
    "litestar": lambda: on_uvicorn(litestar_app),
    "asgi": lambda: on_uvicorn(asgi_app),
    "wsgi": lambda: on_waitress(wsgi_app),
    "flask": lambda: on_waitress(flask_app),
    "django": lambda: on_waitress(django_app),
    "django, async": lambda: on_uvicorn(async_django_app),
    "rest framework": lambda: on_waitress(rest_framework_app),
    "grpc": on_grpc,
}
