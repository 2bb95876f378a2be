"""What people do in each framework besides the ordinary way: each works, or is answered as the framework answers."""

# FastAPI and Litestar look the annotations up, so that no `from __future__ import annotations` stands here.

import asyncio
import copy
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import django.test
import fastapi
import flask
import flask.views
import freezegun
import grpc
import grpc.aio
import litestar
import pytest
import starlette.applications
import trio
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from fastapi.testclient import TestClient
from httpx import ASGITransport, AsyncClient
from litestar.testing import TestClient as LitestarClient
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer
from tests.verify.applications import ISSUER, KEY, OTHER, VERIFIER, _urls, configure_django, signed

import gatepass.verify.asgi
import gatepass.verify.fastapi
import gatepass.verify.flask
import gatepass.verify.grpc
import gatepass.verify.litestar
import gatepass.verify.starlette
import gatepass.verify.wsgi
from gatepass.jose import JoseError, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.testing import issuer_for
from gatepass.verify import Principal, Verifier
from gatepass.verify.errors import InsufficientScopeError

GOOD = {"Authorization": f"Bearer {signed(scope='orders:read', roles=['clerk'])}"}
ADMIN = {"Authorization": f"Bearer {signed(scope='orders:read', roles=['admin'])}"}
PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
FORBIDDEN = 'Bearer error="insufficient_scope"'


# ── Flask ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def flask_client() -> Any:  # noqa: ANN401, C901 - Flask's test client; a list of small views
    """Every habit of Flask."""
    app = flask.Flask(__name__)
    bearer = gatepass.verify.flask.Bearer(VERIFIER)

    class Decorated(flask.views.MethodView):
        decorators = [bearer.protect]  # noqa: RUF012 - as Flask's own documentation has it

        def get(self, user: Principal, number: int) -> str:
            return f"{user.subject} {number}"

        def post(self, who: Principal, number: int) -> str:
            return f"{who.subject} {number}"

    class OneMethod(flask.views.MethodView):
        @bearer.protect
        def get(self, user: Principal, number: int) -> str:
            return f"{user.subject} {number}"

        @bearer.require(role="admin").protect
        async def put(self, user: Principal, number: int) -> str:
            return f"{user.subject} {number}"

        def delete(self, number: int) -> str:
            return f"nobody {number}"

    class Plain(flask.views.View):
        decorators = [bearer.protect]  # noqa: RUF012 - as Flask's own documentation has it

        def dispatch_request(self, user: Principal) -> str:  # type: ignore[override]
            return user.subject

    app.add_url_rule("/decorated/<int:number>", view_func=Decorated.as_view("decorated"))
    app.add_url_rule("/one/<int:number>", view_func=OneMethod.as_view("one"))
    app.add_url_rule("/plain", view_func=Plain.as_view("plain"))

    @app.get("/inside")
    @bearer.protect
    def inside(user: Principal) -> str:
        user.require(role="admin")
        return user.subject

    @app.get("/called")
    def called() -> str:
        bearer().require(role="admin")
        return "done"

    guarded = flask.Blueprint("guarded", __name__, url_prefix="/guarded")
    guarded.before_request(bearer.before_request)

    @guarded.route("/", methods=["GET", "OPTIONS"])
    def home() -> str:
        if flask.request.method == "OPTIONS":
            return "allowed"
        flask.g.principal.require(scope="orders:read")
        return cast("str", flask.g.principal.subject)

    by_hand = flask.Blueprint("by_hand", __name__, url_prefix="/by-hand")

    @by_hand.before_request
    def check() -> None:
        bearer()

    @by_hand.route("/", methods=["GET", "OPTIONS"])
    def answer() -> str:
        return "allowed"

    app.register_blueprint(guarded)
    app.register_blueprint(by_hand)
    return app.test_client()


def test_views_of_flask() -> None:
    """`decorators = [bearer.protect]` and `@bearer.protect` on a method hand the principal over."""
    client = flask_client()
    for at in ("/decorated/7", "/one/7"):
        assert (client.get(at, headers=GOOD).text, client.get(at).status_code) == ("user_1 7", 401)
    assert client.post("/decorated/7", headers=GOOD).text == "user_1 7"
    assert client.head("/decorated/7", headers=GOOD).status_code == 200
    assert client.put("/one/7", headers=GOOD).status_code == 403
    assert client.delete("/one/7").text == "nobody 7"
    assert (client.get("/plain", headers=GOOD).text, client.get("/plain").status_code) == ("user_1", 401)


@pytest.mark.parametrize("at", ["/guarded/", "/by-hand/"])
def test_a_blueprint_of_flask(at: str) -> None:
    """`before_request` of a blueprint lets preflights pass, and nobody else without a token."""
    client = flask_client()
    assert client.options(at, headers=PREFLIGHT).text == "allowed"
    assert client.options(at).status_code == 401
    assert client.get(at, headers=PREFLIGHT).status_code == 401
    assert client.get(at, headers=GOOD).status_code == 200


def test_require_inside_a_view_of_flask() -> None:
    """`user.require(…)` is 403 with its challenge, through `protect` and without."""
    client = flask_client()
    for at in ("/inside", "/called"):
        answer = client.get(at, headers=GOOD)
        assert (answer.status_code, answer.headers["WWW-Authenticate"].startswith(FORBIDDEN)) == (403, True)
        assert client.get(at, headers=ADMIN).status_code == 200


# ── Starlette, FastAPI ──────────────────────────────────────────────────────────────────────────────────────────────


def starlette_app() -> Any:  # noqa: ANN401 - an ASGI application
    """Requirements inside of handlers: a route, a mounted application, WebSockets."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER)

    async def inside(request: Request) -> Response:
        (await bearer(request)).require(role="admin")
        return PlainTextResponse(request.user.subject)

    async def recent(request: Request) -> Response:
        (await bearer(request)).require(max_age=1)
        return PlainTextResponse("recent")

    async def before(websocket: WebSocket) -> None:
        (await bearer(websocket)).require(role="admin")
        await websocket.accept()
        await websocket.send_text("in")
        await websocket.close()

    async def after(websocket: WebSocket) -> None:
        user = await bearer(websocket)
        await websocket.accept()
        user.require(role="admin")
        await websocket.send_text("in")
        await websocket.close()

    routes: list[Any] = [Route("/inside", inside), Route("/recent", recent)]
    routes += [WebSocketRoute("/before", before), WebSocketRoute("/after", after)]
    inner = starlette.applications.Starlette(routes=routes)
    return starlette.applications.Starlette(routes=[*routes, Mount("/mounted", inner)])


def fastapi_app() -> fastapi.FastAPI:
    """The same in FastAPI."""
    bearer = gatepass.verify.fastapi.Bearer(VERIFIER)
    app, inner = fastapi.FastAPI(), fastapi.FastAPI()
    for one in (app, inner):

        @one.get("/inside")
        def inside(request: Request, user: Annotated[Principal, fastapi.Depends(bearer)]) -> Response:
            user.require(role="admin")
            return PlainTextResponse(request.user.subject)

        @one.get("/recent")
        async def recent(user: Annotated[Principal, fastapi.Depends(bearer)]) -> str:
            user.require(max_age=1)
            return "recent"

        @one.websocket("/before")
        async def before(websocket: fastapi.WebSocket, user: Annotated[Principal, fastapi.Depends(bearer)]) -> None:
            user.require(role="admin")
            await websocket.accept()
            await websocket.send_text("in")
            await websocket.close()

        @one.websocket("/after")
        async def after(websocket: fastapi.WebSocket, user: Annotated[Principal, fastapi.Depends(bearer)]) -> None:
            await websocket.accept()
            user.require(role="admin")
            await websocket.send_text("in")
            await websocket.close()

    app.mount("/mounted", inner)
    return app


@pytest.mark.parametrize("make", [starlette_app, fastapi_app])
@pytest.mark.parametrize("under", ["", "/mounted"])
def test_require_inside_a_handler(make: Any, under: str) -> None:  # noqa: ANN401 - what makes an application
    """`user.require(…)` is 403 or 401 with its challenge, in a mounted application and a WebSocket as well."""
    client = TestClient(make())
    answer = client.get(f"{under}/inside", headers=GOOD)
    assert (answer.status_code, answer.headers["WWW-Authenticate"].startswith(FORBIDDEN)) == (403, True)
    assert client.get(f"{under}/inside", headers=ADMIN).text == "user_1"
    answer = client.get(f"{under}/recent", headers=GOOD)
    assert (answer.status_code, "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]) == (401, True)
    for at in ("/before", "/after"):
        with client.websocket_connect(under + at, headers=ADMIN) as socket:
            assert socket.receive_text() == "in"
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"{under}/before", headers=GOOD):
        pass
    with client.websocket_connect(f"{under}/after", headers=GOOD) as socket, pytest.raises(WebSocketDisconnect) as gone:
        socket.receive_text()
    assert gone.value.code == 1008


def test_an_answer_of_the_applications_own_stays() -> None:
    """Whoever handles `JoseError` is asked, not us."""
    app = fastapi_app()

    @app.exception_handler(JoseError)
    async def own(_: Request, __: Exception) -> Response:
        return PlainTextResponse("own", 418)

    assert TestClient(app).get("/inside", headers=GOOD).status_code == 418


def test_overriding_a_bearer() -> None:
    """`dependency_overrides[bearer]` puts a principal made by hand in its place."""
    bearer = gatepass.verify.fastapi.Bearer(VERIFIER)
    app = fastapi.FastAPI()

    @app.get("/")
    async def home(user: Annotated[Principal, fastapi.Security(bearer, scopes=["a"])]) -> str:
        return user.subject

    app.dependency_overrides[bearer] = lambda: Principal(subject="ada")
    assert TestClient(app).get("/").json() == "ada"


def test_fastapi_under_trio() -> None:
    """Waiting for keys needs no asyncio."""
    with ScriptedIssuer() as issuer:
        verifier = Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=Clock())
        bearer = gatepass.verify.fastapi.Bearer(verifier)
        app = fastapi.FastAPI()

        @app.get("/")
        async def home(user: Annotated[Principal, fastapi.Depends(bearer)]) -> str:
            return user.subject

        async def ask() -> int:
            async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
                answer = await client.get("/", headers={"Authorization": f"Bearer {issuer.token()}"})
                return answer.status_code

        assert trio.run(ask) == 200


# ── ASGI, WSGI ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_asgi_around_cors() -> None:
    """A bearer around the middleware of CORS lets preflights through to it, and answers a requirement inside."""

    async def home(request: Request) -> Response:
        request.scope[gatepass.verify.asgi.PRINCIPAL].require(role="admin")
        return PlainTextResponse("in")

    inner = starlette.applications.Starlette(routes=[Route("/", home)])
    app = gatepass.verify.asgi.Bearer(VERIFIER).protect(CORSMiddleware(inner, allow_origins=[PREFLIGHT["Origin"]]))
    client = TestClient(cast("Any", app), raise_server_exceptions=False)
    assert client.options("/", headers=PREFLIGHT).headers["Access-Control-Allow-Origin"] == PREFLIGHT["Origin"]
    assert client.options("/").status_code == 401
    assert client.options("/", headers={"Origin": "https://app.example.com"}).status_code == 401
    assert client.get("/", headers=PREFLIGHT).status_code == 401
    assert (client.get("/", headers=GOOD).status_code, client.get("/", headers=ADMIN).text) == (403, "in")


def test_wsgi_around_an_application() -> None:
    """The same for WSGI."""
    app = flask.Flask(__name__)

    @app.get("/")
    def home() -> str:
        flask.request.environ[gatepass.verify.wsgi.PRINCIPAL].require(role="admin")
        return "in"

    app.config["PROPAGATE_EXCEPTIONS"] = True
    vars(app)["wsgi_app"] = gatepass.verify.wsgi.Bearer(VERIFIER).protect(app.wsgi_app)
    client = app.test_client()
    assert client.options("/", headers=PREFLIGHT).status_code == 200
    assert client.options("/").status_code == 401
    assert (client.get("/", headers=GOOD).status_code, client.get("/", headers=ADMIN).text) == (403, "in")


# ── Litestar ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_require_inside_a_handler_of_litestar() -> None:
    """`request.user.require(…)` is 403 with its challenge, with `on_app_init` and without."""
    bearer = gatepass.verify.litestar.Bearer(VERIFIER)

    @litestar.get("/", guards=[bearer], sync_to_thread=False)
    def home(request: litestar.Request[Any, Any, Any]) -> str:
        request.user.require(role="admin")
        assert isinstance(request.user, Principal)
        return str(request.user.subject)

    with LitestarClient(litestar.Litestar([home], logging_config=None)) as client:
        answer = client.get("/", headers=GOOD)
        assert (answer.status_code, answer.headers["WWW-Authenticate"].startswith(FORBIDDEN)) == (403, True)
        assert client.get("/", headers=ADMIN).text == "user_1"


# ── Django ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def django_client(patterns: list[Any]) -> Any:  # noqa: ANN401 - Django's test client
    """Ask views of Django."""
    configure_django()
    django.conf.settings.ROOT_URLCONF = _urls(patterns)
    return django.test.Client(raise_request_exception=False)


def authorized(headers: dict[str, str]) -> dict[str, str]:
    """Headers as Django's client takes them."""
    return {"HTTP_AUTHORIZATION": headers["Authorization"]}


def test_views_of_django() -> None:
    """Requirements inside a view, and classes decorated by `method_decorator`, synchronous and asynchronous."""
    configure_django()
    from gatepass.verify.django import Bearer  # noqa: PLC0415 - Django wants to be configured first

    bearer = Bearer(VERIFIER)

    @bearer.protect
    def inside(_: Any, user: Principal) -> HttpResponse:  # noqa: ANN401 - a request
        user.require(role="admin")
        return HttpResponse(user.subject)

    @bearer.protect
    async def ainside(_: Any, user: Principal) -> HttpResponse:  # noqa: ANN401 - a request
        await asyncio.sleep(0)
        user.require(role="admin")
        return HttpResponse(user.subject)

    @method_decorator(bearer.protect, name="dispatch")
    class Whole(View):
        def get(self, _: Any, user: Principal) -> HttpResponse:  # noqa: ANN401 - a request
            user.require(role="admin")
            return HttpResponse(user.subject)

    @method_decorator(bearer.protect, name="dispatch")
    class AsyncWhole(View):
        async def get(self, _: Any, user: Principal) -> HttpResponse:  # noqa: ANN401 - a request
            await asyncio.sleep(0)
            user.require(role="admin")
            return HttpResponse(user.subject)

    class AsyncOne(View):
        @method_decorator(bearer.protect)
        async def get(self, _: Any, user: Principal) -> HttpResponse:  # noqa: ANN401 - a request
            await asyncio.sleep(0)
            user.require(role="admin")
            return HttpResponse(user.subject)

    views = {"inside": inside, "ainside": ainside, "whole": Whole.as_view()}
    views |= {"async-whole": AsyncWhole.as_view(), "async-one": AsyncOne.as_view()}
    client = django_client([path(name, view) for name, view in views.items()])
    for name in views:
        statuses = [client.get(f"/{name}").status_code]
        statuses += [client.get(f"/{name}", **authorized(headers)).status_code for headers in (GOOD, ADMIN)]
        assert (name, statuses) == (name, [401, 403, 200])


def test_rest_framework() -> None:
    """Throttles, permissions of Django's own, optional sign-in and requirements inside: no answer is a defect."""
    configure_django()
    from rest_framework.permissions import DjangoModelPermissions, IsAdminUser, IsAuthenticated  # noqa: PLC0415
    from rest_framework.response import Response as RestResponse  # noqa: PLC0415
    from rest_framework.throttling import AnonRateThrottle, UserRateThrottle  # noqa: PLC0415
    from rest_framework.views import APIView  # noqa: PLC0415

    from gatepass.verify.rest_framework import Bearer  # noqa: PLC0415

    bearer = Bearer(VERIFIER)

    class Throttle(UserRateThrottle):
        rate = "2/day"
        cache = cast("Any", DictCache())

    class Anonymous(AnonRateThrottle):
        rate = "2/day"
        cache = cast("Any", DictCache())

    def view(authenticating: Any, permissions: Any = (), throttles: Any = ()) -> Any:  # noqa: ANN401 - REST framework's
        class Answer(APIView):
            authentication_classes = (authenticating.authentication,)
            permission_classes = permissions
            throttle_classes = throttles
            queryset = Nothing()

            def get(self, request: Any) -> RestResponse:  # noqa: ANN401 - REST framework's
                if request.user is not None:
                    request.user.require(role="admin")
                return RestResponse({"subject": getattr(request.user, "subject", None)})

        return Answer.as_view()

    patterns = [
        path("inside", view(bearer)),
        path("optional", view(bearer.optional())),
        path("optional-permitted", view(bearer.optional(), (IsAuthenticated,))),
        path("staff", view(bearer, (IsAdminUser,))),
        path("optional-staff", view(bearer.optional(), (IsAdminUser,))),
        path("model", view(bearer, (DjangoModelPermissions,))),
        path("throttled", view(bearer, (), (Throttle, Anonymous))),
    ]
    client = django_client(patterns)
    statuses = {
        name: [client.get(f"/{name}").status_code]
        + [client.get(f"/{name}", **authorized(headers)).status_code for headers in (GOOD, ADMIN)]
        for name in ("inside", "optional", "optional-permitted", "staff", "optional-staff", "model")
    }
    assert statuses == {
        "inside": [401, 403, 200],
        "optional": [200, 403, 200],
        "optional-permitted": [401, 403, 200],
        "staff": [401, 403, 403],
        "optional-staff": [401, 403, 403],
        "model": [401, 403, 200],
    }
    for name in ("inside", "optional-permitted", "optional-staff"):
        assert client.get(f"/{name}").headers["WWW-Authenticate"].startswith("Bearer")
    answer = client.get("/inside", **authorized(GOOD))
    assert answer.headers["WWW-Authenticate"].startswith(FORBIDDEN)
    assert [client.get("/throttled", **authorized(ADMIN)).status_code for _ in range(3)] == [200, 200, 429]


class DictCache(dict[str, Any]):
    """As much of a cache as a throttle asks for."""

    def set(self, key: str, value: object, _: object) -> None:
        """Keep."""
        self[key] = value


class Nothing:
    """As much of a query set as a permission asks for."""

    class model:  # noqa: N801 - Django's name
        """No model."""

        class _meta:  # noqa: N801 - Django's name
            app_label = model_name = "nothing"


def test_django_ninja() -> None:
    """A bearer is an `auth=` of django-ninja, with one handler for what it refuses."""
    configure_django()
    from ninja import NinjaAPI  # noqa: PLC0415 - as above

    from gatepass.verify.django import Bearer, install_in_ninja  # noqa: PLC0415

    bearer = Bearer(VERIFIER)
    api = NinjaAPI(auth=bearer, urls_namespace="habits")
    install_in_ninja(api, bearer)

    @api.get("/inside")
    def inside(request: Any) -> str:  # noqa: ANN401 - a request
        request.auth.require(role="admin")
        return cast("str", request.auth.subject)

    client = django_client([path("api/", api.urls)])
    statuses = [client.get("/api/inside").status_code]
    statuses += [client.get("/api/inside", **authorized(headers)).status_code for headers in (GOOD, ADMIN)]
    assert statuses == [401, 403, 200]
    assert client.get("/api/inside").headers["WWW-Authenticate"].startswith("Bearer")


# ── gRPC ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Methods(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it takes none
    """One method of each of two kinds; what it does is given."""

    def __init__(self, one: Any, several: Any) -> None:  # noqa: ANN401 - behaviors
        self._handlers = {
            "/a.A/One": grpc.unary_unary_rpc_method_handler(one),
            "/a.A/Several": grpc.unary_stream_rpc_method_handler(several),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - a handler
        """Find it."""
        return self._handlers.get(handler_call_details.method)


def status_of(port: int, method: str, headers: dict[str, str] | None = None) -> str:
    """Call a method."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        metadata = [(name.lower(), value) for name, value in (headers or {}).items()]
        try:
            if method.endswith("Several"):
                list(cast("Any", channel).unary_stream(method)(b"", metadata=metadata, timeout=10))
            else:
                cast("Any", channel).unary_unary(method)(b"", metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            return str(cast("Any", error).code().name)
    return "OK"


def test_a_server_of_grpc_with_threads() -> None:
    """`sync_interceptor` is for `grpc.server`; what it refuses, and a requirement inside, get gRPC's own codes."""
    bearer = gatepass.verify.grpc.Bearer(VERIFIER)

    def one(_: bytes, __: object) -> bytes:
        gatepass.verify.grpc.principal().require(role="admin")
        return gatepass.verify.grpc.principal().subject.encode()

    def several(_: bytes, __: object) -> Any:  # noqa: ANN401 - an iterator
        yield gatepass.verify.grpc.principal().subject.encode()

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, interceptors=[bearer.sync_interceptor({"/a.A/Several": bearer.require(scope="x")})])
        server.add_generic_rpc_handlers((Methods(one, several),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            assert status_of(port, "/a.A/One") == "UNAUTHENTICATED"
            assert status_of(port, "/a.A/One", GOOD) == "PERMISSION_DENIED"
            assert status_of(port, "/a.A/One", ADMIN) == "OK"
            assert status_of(port, "/a.A/Several", ADMIN) == "PERMISSION_DENIED"
            assert status_of(port, "/a.A/Unknown") == "UNIMPLEMENTED"
        finally:
            server.stop(0).wait()


def test_the_interceptor_of_another_server() -> None:
    """The one for `grpc.aio` in a server with threads says which is the right one."""
    interceptor = gatepass.verify.grpc.Bearer(VERIFIER).interceptor()
    with pytest.raises(InvalidPolicyError, match="sync_interceptor"):
        cast("Any", interceptor).intercept_service(None, None)


def test_a_method_that_grpc_does_not_have() -> None:
    """The server's own answer, with a token and without."""
    bearer = gatepass.verify.grpc.Bearer(VERIFIER)
    told: list[int] = []
    listens, loop = threading.Event(), asyncio.new_event_loop()
    ends = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server(interceptors=[bearer.interceptor()])
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
    try:
        assert {status_of(told[0], "/a.A/Unknown", headers) for headers in (None, GOOD)} == {"UNIMPLEMENTED"}
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join()


# ── principals ──────────────────────────────────────────────────────────────────────────────────────────────────────


def principal(**claims: Any) -> Principal:  # noqa: ANN401 - any claim
    """One with everything."""
    status = {"status_list": {"idx": 3, "uri": f"{ISSUER}/status/1"}}
    every: dict[str, Any] = {
        "scope": "a b",
        "roles": ["clerk"],
        "auth_time": int(NOW),
        "amr": ["pwd"],
        "acr": "1",
        "sid": "s",
    }
    return VERIFIER.verify(signed(**every | {"status": status, "nested": {"a": [1, {"b": None}]}} | claims))


def test_a_principal_travels() -> None:
    """By pickle, copies and JSON, as to Celery or a cache: the same comes out, as unchangeable as before."""
    one = principal()
    through_json = Principal.from_dict(json.loads(json.dumps(one.to_dict())))
    for again in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one), through_json):  # noqa: S301
        assert again == one
        assert hash(again) == hash(one)
        again.require(scope="a b", role="clerk", acr="1", amr="pwd", max_age=60, now=NOW)
        with pytest.raises(TypeError):
            cast("Any", again.claims)["sub"] = "other"
    made = Principal(subject="ada")
    assert Principal.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert one.to_dict()["claims"]["nested"] == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("document", [{}, {"subject": 7}, {"subject": "a", "scopes": 7}, {"subject": "a", "claims": 7}])
def test_a_document_that_is_no_principal(document: dict[str, Any]) -> None:
    """What comes back from elsewhere is read strictly."""
    with pytest.raises(InvalidPolicyError):
        Principal.from_dict(document)


def test_any_of_several_roles() -> None:
    """Of several roles one is enough, in a handler and on a route."""
    one = Principal(subject="ada", roles=frozenset({"editor"}))
    one.require(role=("admin", "editor"))
    one.require(role="editor")
    with pytest.raises(InsufficientScopeError):
        one.require(role={"admin", "owner"})
    for nonsense in ((), ("",), [""]):
        with pytest.raises(InvalidPolicyError):
            one.require(role=nonsense)
    app = fastapi.FastAPI()
    bearer = gatepass.verify.fastapi.Bearer(VERIFIER)

    @app.get("/", dependencies=[fastapi.Depends(bearer.require(role=["admin", "clerk"]))])
    async def home() -> str:
        return "in"

    client = TestClient(app)
    assert [client.get("/", headers=headers).status_code for headers in (GOOD, ADMIN)] == [200, 200]
    nobody = {"Authorization": f"Bearer {signed(roles=['guest'])}"}
    assert client.get("/", headers=nobody).status_code == 403


def test_a_frozen_clock() -> None:
    """Freezegun moves a verifier's clock, however late it freezes."""
    verifier = Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public())
    with freezegun.freeze_time(datetime.fromtimestamp(NOW, UTC)) as frozen:
        token = signed()
        assert verifier.verify(token).subject == "user_1"
        frozen.tick(901)
        with pytest.raises(JoseError) as caught:
            verifier.verify(token)
        assert caught.value.code == "expired"


def test_a_stand_in_for_one_of_several_issuers() -> None:
    """`issuer_for(any_of)` is the first or the one that is named, with the application's own policy."""
    third = Verifier(
        issuer="https://third.example.com",
        audience="my-api",
        audience_claim="client_id",
        roles="role",
        keys=KEY.public(),
        typ=None,
    )
    any_of = Verifier.any_of(VERIFIER, OTHER, third)
    with issuer_for(any_of) as first, issuer_for(any_of, third.issuer) as another:
        assert any_of.verify(first.token(sub="ada")).subject == "ada"
        found = any_of.verify(another.token(sub="bob", client_id="my-api", role="clerk", audience="x"))
        assert (found.subject, found.roles) == ("bob", frozenset({"clerk"}))
        with pytest.raises(JoseError):
            any_of.verify(first.token(audience="other"))
    with pytest.raises(InvalidPolicyError), issuer_for(any_of, "https://unknown.example.com"):
        pass
    assert jwt.peek(signed()).claims["iss"] == ISSUER


def test_json_of_django() -> None:
    """`to_dict` is what a JSON response takes."""
    configure_django()
    assert json.loads(JsonResponse(principal().to_dict()).content)["subject"] == "user_1"
