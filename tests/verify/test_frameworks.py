"""One table of behaviour, for every framework, over real sockets: what goes in, and what answer comes out."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote

import grpc
import grpc.aio
import pytest
from tests.support.scripted_issuer import NOW
from tests.verify.applications import (
    FRAMEWORKS,
    KEY,
    NONCE_SECRET,
    OTHER_ISSUER,
    OTHER_KEY,
    PAGES,
    RESOURCE,
    VERIFIER,
    fastapi_app,
    litestar_app,
    signed,
)
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import gatepass.verify.grpc
import gatepass.verify.starlette
from gatepass.jose import Key
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify import DPoPPolicy, asgi, wsgi
from gatepass.verify.guard import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.verify.applications import Served

    from gatepass.verify import Resource

HTTP = frozenset(FRAMEWORKS) - {"grpc"}
WEBSOCKETS = ("starlette", "fastapi", "litestar", "asgi")


class Case(NamedTuple):
    """A request and its answer."""

    path: str
    headers: list[tuple[str, str]]
    status: int
    challenge: str | None = None
    method: str = "GET"
    subject: str | None = "user_1"
    detail: str | None = None
    more: tuple[tuple[str, str | None], ...] = ()
    only: frozenset[str] = frozenset(FRAMEWORKS)


# ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────


def bearer(token: str) -> list[tuple[str, str]]:
    """Send a token."""
    return [("Authorization", f"Bearer {token}")]


def good(**claims: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - any claim
    """Send a good token, with some claims changed."""
    return bearer(signed(**claims))


def raw(*values: str) -> list[tuple[str, str]]:
    """Send Authorization headers as they are."""
    return [("Authorization", value) for value in values]


def cookie(token: str | None = None, **headers: str) -> list[tuple[str, str]]:
    """Send a cookie, and more headers."""
    token = signed() if token is None else token
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return [("Cookie", f"a=1; __Host-gatepass-access={token}; b=2"), *named]


HOLDER = Key.generate("ES256")
BOUND_TOKEN = signed(cnf={"jkt": HOLDER.thumbprint()})
NONCE = DPoPPolicy(nonce_secret=NONCE_SECRET).nonce(NOW)
AT = RESOURCE.origin + "/v1/bound"


def dpop(*, token: str = BOUND_TOKEN, key: Key = HOLDER, url: str = AT, **claims: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Send a token by DPoP, with a proof that is good but for what is changed."""
    given: dict[str, Any] = {"method": "GET", "token": token, "nonce": NONCE, "now": NOW}
    proof = dpop_proof.make(key, url=url, **given | claims)
    return [("Authorization", f"DPoP {token}"), ("DPoP", proof)]


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def bad(reason: str) -> str:
    """The challenge to a token that is not good."""
    return f'Bearer error="invalid_token", error_description="the access token was refused: {reason}"'


def malformed(description: str) -> str:
    """The challenge to a request that carries its token in a wrong way."""
    return f'Bearer error="invalid_request", error_description="{description}"'


ALGS = f'algs="{" ".join(dpop_proof.ALGORITHMS)}"'
METADATA = f'resource_metadata="{RESOURCE.metadata_url}"'


def of_dpop(error: str | None = None, description: str = "", more: str = "", *, metadata: bool = True) -> str:
    """A challenge of DPoP."""
    parts = [f'error="{error}"', f'error_description="{description}"'] if error else []
    return "DPoP " + ", ".join([*parts, *([more] if more else []), ALGS, *([METADATA] if metadata else [])])


NOT_ONE = malformed("Bearer is not followed by one token")
NO_SCOPE = 'Bearer error="insufficient_scope", error_description="a scope is missing", scope="orders:write"'
NO_ROLE = 'Bearer error="insufficient_scope", error_description="the role is missing", scope="orders:write"'
NO_PERMISSION = 'Bearer error="insufficient_scope", error_description="a permission is missing"'
ALL_SCOPES = 'Bearer error="insufficient_scope", error_description="a scope is missing", scope="a b c"'
STEP_UP = (
    'Bearer error="insufficient_user_authentication", error_description="{}", acr_values="2fa passkey", max_age="300"'
)
STRONGER = STEP_UP.format("a stronger sign-in is needed")
SOONER = STEP_UP.format("a more recent sign-in is needed")
OTHERWISE = (
    'Bearer error="insufficient_user_authentication", '
    'error_description="a sign-in by other means is needed", max_age="300"'
)
CROSS_SITE = "the cookie is for our own pages: send Gatepass-Request: 1 from there"
UNPROVEN = of_dpop("invalid_token", "the access token was refused: unproven_cnf")
REFUSED_PROOF = "the proof was refused: {}"

GOOD = signed()
WRITER: dict[str, Any] = {"scope": "orders:read orders:write", "roles": ["admin"]}
RECENT: dict[str, Any] = {"acr": "2fa", "auth_time": int(NOW) - 300}
FROM_OTHER: dict[str, Any] = {"key": OTHER_KEY, "iss": OTHER_ISSUER, "aud": "other-api", "sub": "user_2", "typ": "JWT"}
OURS = {"Gatepass_Request": "1"}
NOW_ = int(NOW)

BEARER = {
    "good token": Case("/dashboard", bearer(GOOD), 200),
    "scheme in lower case": Case("/dashboard", raw(f"bearer {GOOD}"), 200),
    "scheme in upper case": Case("/dashboard", raw(f"BEARER {GOOD}"), 200),
    "several blanks": Case("/dashboard", raw(f"Bearer   {GOOD}"), 200),
    "no header": Case("/dashboard", [], 401, "Bearer", detail="an access token is needed"),
    "empty header": Case("/dashboard", raw(""), 401, "Bearer"),
    "another scheme": Case("/dashboard", raw("Basic dXNlcjpwYXNz"), 401, "Bearer"),
    "token without scheme": Case("/dashboard", raw(GOOD), 401, "Bearer"),
    "scheme that begins alike": Case("/dashboard", raw(f"Bearers {GOOD}"), 401, "Bearer"),
    "token in the query only": Case(f"/dashboard?access_token={GOOD}", [], 401, "Bearer", only=HTTP),
    "scheme without token": Case("/dashboard", raw("Bearer"), 400, NOT_ONE),
    "scheme and a blank": Case("/dashboard", raw("Bearer "), 400, NOT_ONE),
    "two tokens in one header": Case("/dashboard", raw(f"Bearer {GOOD} {GOOD}"), 400, NOT_ONE),
    "two headers joined by a proxy": Case("/dashboard", raw(f"Bearer {GOOD}, Bearer {GOOD}"), 400, NOT_ONE),
    "two headers": Case("/dashboard", raw(f"Bearer {GOOD}", f"Bearer {GOOD}"), 400, NOT_ONE),
    "two headers of different schemes": Case("/dashboard", raw(f"Bearer {GOOD}", "Basic dTpw"), 400, NOT_ONE),
    "another scheme before": Case("/dashboard", raw("Basic dTpw", f"Bearer {GOOD}"), 401, "Bearer"),
    "no token at all": Case("/dashboard", bearer("x"), 401, bad("malformed")),
    "not ASCII": Case("/dashboard", bearer("\xe9.\xe9.\xe9"), 401, bad("malformed"), only=HTTP),
    "quotes": Case("/dashboard", bearer('"a.b.c"'), 401, bad("malformed")),
    "padded": Case("/dashboard", bearer(f"{GOOD}="), 401, bad("malformed")),
    "by POST": Case("/dashboard", bearer(GOOD), 200, method="POST", only=HTTP),
    "nobody by POST": Case("/dashboard", [], 401, "Bearer", method="POST", only=HTTP),
    "a cookie where none is taken": Case("/dashboard", cookie(**OURS), 401, "Bearer", only=HTTP),
}

CLAIMS = {
    "expired": Case("/dashboard", good(exp=NOW_), 401, bad("expired")),
    "not yet valid": Case("/dashboard", good(nbf=NOW_ + 1), 401, bad("not_yet_valid")),
    "from the future": Case("/dashboard", good(iat=NOW_ + 61), 401, bad("issued_in_future")),
    "another audience": Case("/dashboard", good(aud="other"), 401, bad("wrong_audience")),
    "several audiences": Case("/dashboard", good(aud=["other", "my-api"]), 200),
    "another issuer": Case("/dashboard", good(iss="https://x"), 401, bad("wrong_issuer")),
    "an ID token": Case("/dashboard", good(typ="JWT"), 401, bad("wrong_typ")),
    "no jti": Case("/dashboard", good(jti=None), 401, bad("missing_claim")),
    "roles as text": Case("/dashboard", good(roles="admin"), 401, bad("bad_claim")),
    "unknown key": Case("/dashboard", good(key=Key.generate("ES256")), 401, bad("unknown_key")),
    "same kid, other key": Case("/dashboard", good(key=Key.generate("ES256", kid=KEY.kid)), 401, bad("bad_signature")),
    "same kid, other algorithm": Case(
        "/dashboard", good(key=Key.generate("HS256", kid=KEY.kid)), 401, bad("alg_not_allowed")
    ),
    "several issuers, the first": Case("/several", good(), 200),
    "several issuers, the second": Case("/several", good(**FROM_OTHER), 200, subject="user_2"),
    "several issuers, none of them": Case("/several", good(iss="https://x"), 401, bad("wrong_issuer")),
    "several issuers, the other's audience": Case("/several", good(aud="other-api"), 401, bad("wrong_audience")),
    "several issuers, the other's key": Case(
        "/several", good(**FROM_OTHER | {"key": KEY}), 401, bad("alg_not_allowed")
    ),
    "several issuers, rubbish": Case("/several", bearer("x"), 401, bad("malformed")),
    "several issuers, nobody": Case("/several", [], 401, "Bearer"),
}

RIGHTS = {
    "scope and role": Case("/order", good(**WRITER), 200),
    "no scope": Case("/order", good(roles=["admin"]), 403, NO_SCOPE, detail="a scope is missing"),
    "scope that begins alike": Case("/order", good(scope="orders:write2"), 403, NO_SCOPE),
    "scope in upper case": Case("/order", good(scope="ORDERS:WRITE"), 403, NO_SCOPE),
    "scope without role": Case("/order", good(scope="orders:write"), 403, NO_ROLE, detail="the role is missing"),
    "another role": Case("/order", good(scope="orders:write", roles=["admins"]), 403, NO_ROLE),
    "both permissions": Case("/publish", good(permissions=["articles:read", "articles:write", "x"]), 200),
    "one permission of two": Case("/publish", good(permissions=["articles:write"]), 403, NO_PERMISSION),
    "a role is no permission": Case("/publish", good(roles=["articles:write", "articles:read"]), 403, NO_PERMISSION),
    "a scope is no permission": Case("/publish", good(scope="articles:write articles:read"), 403, NO_PERMISSION),
    "permissions as text grant nothing": Case(
        "/publish", good(permissions="articles:write articles:read"), 403, NO_PERMISSION
    ),
    "a bad token is told so before what it lacks": Case("/order", good(exp=1), 401, bad("expired")),
    "no token where a scope is needed": Case("/order", [], 401, "Bearer"),
    "required twice": Case("/twice", good(scope="c b a"), 200),
    "required twice, one is missing": Case("/twice", good(scope="a b"), 403, ALL_SCOPES),
    "required twice, the other is missing": Case("/twice", good(scope="b c"), 403, ALL_SCOPES),
    "strong and recent": Case("/vault", good(**RECENT), 200),
    "the other acr": Case("/vault", good(**RECENT | {"acr": "passkey"}), 200),
    "no acr": Case("/vault", good(auth_time=NOW_), 401, STRONGER, detail="a stronger sign-in is needed"),
    "another acr": Case("/vault", good(acr="2", auth_time=NOW_), 401, STRONGER),
    "all acrs as one": Case("/vault", good(acr="2fa passkey", auth_time=NOW_), 401, STRONGER),
    "too long ago": Case("/vault", good(acr="2fa", auth_time=NOW_ - 301), 401, SOONER),
    "no auth_time": Case("/vault", good(acr="2fa"), 401, SOONER),
    "every amr": Case("/code", good(amr=["pwd", "otp"], auth_time=NOW_), 200),
    "one amr of two": Case("/code", good(amr=["pwd"], auth_time=NOW_), 401, OTHERWISE),
    "no amr": Case("/code", good(auth_time=NOW_), 401, OTHERWISE),
    "optional, signed in": Case("/maybe", good(), 200),
    "optional, nobody": Case("/maybe", [], 200, subject=None),
    "optional, another scheme": Case("/maybe", raw("Basic dTpw"), 200, subject=None),
    "optional, expired": Case("/maybe", good(exp=NOW_), 401, bad("expired")),
    "optional, two tokens": Case("/maybe", raw(f"Bearer {GOOD} {GOOD}"), 400, NOT_ONE),
}

OUTAGES = {
    "issuer down": Case("/outage", bearer(GOOD), 503, more=(("Retry-After", "5"),), detail="are not available"),
    "issuer down, no token": Case("/outage", [], 401, "Bearer"),
    "issuer down, rubbish": Case("/outage", bearer("x"), 401, bad("malformed")),
    "issuer down, wrong kind": Case("/outage", good(typ="JWT"), 401, bad("wrong_typ")),
}

COOKIES = {
    name: case._replace(path="/v1/cookie", only=HTTP)
    for name, case in {
        "from our page": Case("", cookie(**OURS), 200),
        "from our page, with its origin": Case("", cookie(**OURS, Origin=PAGES), 200),
        "from the API's own page": Case("", cookie(**OURS, Origin=RESOURCE.origin), 200),
        "without our header": Case("", cookie(), 403, detail=CROSS_SITE),
        "without our header, with our origin": Case("", cookie(Origin=PAGES), 403, detail=CROSS_SITE),
        "with another value": Case("", cookie(Gatepass_Request="true"), 403, detail=CROSS_SITE),
        "from another site": Case("", cookie(**OURS, Origin="https://evil.example"), 403, detail=CROSS_SITE),
        "from a sister host": Case("", cookie(**OURS, Origin="https://x.example.com"), 403, detail=CROSS_SITE),
        "from nowhere": Case("", cookie(**OURS, Origin="null"), 403, detail=CROSS_SITE),
        "POST from our page": Case("", cookie(**OURS, Origin=PAGES), 200, method="POST"),
        "POST without an origin": Case("", cookie(**OURS), 403, method="POST", detail=CROSS_SITE),
        "POST of another site's form": Case(
            "", cookie(Origin="https://evil.example"), 403, method="POST", detail=CROSS_SITE
        ),
        "an expired cookie": Case("", cookie(signed(exp=NOW_), **OURS), 401, f"{bad('expired')}, {METADATA}"),
        "two cookies of the name": Case(
            "",
            [("Cookie", f"__Host-gatepass-access={GOOD}; __Host-gatepass-access={GOOD}"), ("Gatepass-Request", "1")],
            400,
            f"{malformed('the cookie was sent more than once')}, {METADATA}",
        ),
        "another cookie": Case("", [("Cookie", f"gatepass-access={GOOD}")], 401, f"Bearer {METADATA}"),
        "a header beside the cookie": Case("", [*cookie("x"), *bearer(GOOD)], 200),
        "a bad header beside a good cookie": Case(
            "", [*cookie(**OURS), *bearer("x")], 401, f"{bad('malformed')}, {METADATA}"
        ),
        "another scheme beside a good cookie": Case(
            "", [*cookie(**OURS), *raw("Basic dTpw")], 401, f"Bearer {METADATA}"
        ),
        "neither cookie nor header": Case("", [], 401, f"Bearer {METADATA}"),
    }.items()
}

PROOFS = {
    name: case._replace(path="/v1/bound", only=HTTP)
    for name, case in {
        "a proof": Case("", dpop(), 200),
        "scheme in lower case": Case("", [("Authorization", f"dpop {BOUND_TOKEN}"), dpop()[1]], 200),
        "the URL in another spelling": Case("", dpop(url="HTTPS://API.example.com:443/v1/%62ound?q=1"), 200),
        "nobody": Case("", [], 401, of_dpop()),
        "no proof": Case("", dpop()[:1], 400, of_dpop("invalid_request", "a request must have exactly one DPoP proof")),
        "two proofs": Case(
            "", [*dpop(), dpop()[1]], 400, of_dpop("invalid_request", "a request must have exactly one DPoP proof")
        ),
        "a bound token as a bearer token": Case("", bearer(BOUND_TOKEN), 401, UNPROVEN),
        "a token that is not bound": Case("", dpop(token=GOOD), 401, UNPROVEN),
        "not bound, as a bearer token": Case("", bearer(GOOD), 401, UNPROVEN),
        "of another key": Case("", dpop(key=Key.generate("ES256")), 401, UNPROVEN),
        "for another method": Case(
            "", dpop(method="POST"), 401, of_dpop("invalid_dpop_proof", "the proof is for another method")
        ),
        "for another URL": Case(
            "", dpop(url=AT + "/1"), 401, of_dpop("invalid_dpop_proof", "the proof is for another URL")
        ),
        "for another token": Case(
            "",
            [dpop()[0], dpop(token=GOOD)[1]],
            401,
            of_dpop("invalid_dpop_proof", "the proof is for another token"),
        ),
        "too old": Case(
            "", dpop(now=NOW - 61), 401, of_dpop("invalid_dpop_proof", "the proof has expired, or is from the future")
        ),
        "from the future": Case(
            "", dpop(now=NOW + 61), 401, of_dpop("invalid_dpop_proof", "the proof has expired, or is from the future")
        ),
        "rubbish for a proof": Case(
            "", [dpop()[0], ("DPoP", "x")], 401, of_dpop("invalid_dpop_proof", REFUSED_PROOF.format("malformed"))
        ),
        "no nonce": Case(
            "",
            dpop(nonce=None),
            401,
            of_dpop("use_dpop_nonce", "the proof must repeat our nonce"),
            more=(("DPoP-Nonce", NONCE),),
            only=HTTP - {"rest framework"},
        ),
        "expired": Case(
            "",
            dpop(token=signed(cnf={"jkt": HOLDER.thumbprint()}, exp=NOW_)),
            401,
            of_dpop("invalid_token", "the access token was refused: expired"),
        ),
    }.items()
}
PROOFS["no nonce"] = PROOFS["no nonce"]._replace(only=HTTP - {"rest framework"})  # whose refusals have no such header

BOUND_ELSEWHERE = {
    "bound to a key": Case(
        "/dashboard",
        good(cnf={"jkt": "x"}),
        401,
        of_dpop("invalid_token", "the access token was refused: unproven_cnf", metadata=False),
    ),
    "bound to a certificate": Case(
        "/dashboard",
        good(cnf={"x5t#S256": "x"}),
        401,
        of_dpop("invalid_token", "the access token was refused: unproven_cnf", metadata=False),
    ),
}

CASES = {
    f"{part}: {name}": case
    for part, cases in {
        "bearer": BEARER,
        "claims": CLAIMS,
        "rights": RIGHTS,
        "outages": OUTAGES,
        "cookies": COOKIES,
        "proofs": PROOFS,
        "bound": BOUND_ELSEWHERE,
    }.items()
    for name, case in cases.items()
}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def served(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Serve the application of one framework."""
    with FRAMEWORKS[request.param]() as served:
        yield served


@pytest.fixture
def framework(request: pytest.FixtureRequest) -> str:
    """Say which."""
    name: str = request.node.callspec.params["served"]
    return name


@pytest.mark.parametrize("part", ["bearer", "claims", "rights", "outages", "cookies", "proofs", "bound"])
def test_the_table(served: Any, framework: str, part: str, subtests: pytest.Subtests) -> None:  # noqa: ANN401 - as above
    """Each request gets the status and the challenge of RFC 6750, 9449 and 9470, whatever the framework."""
    for name, case in CASES.items():
        if not name.startswith(part + ":") or framework not in case.only:
            continue
        with subtests.test(name):
            answer = served.ask(case.method, case.path, case.headers)
            assert (answer.status, list(answer.challenges)) == (case.status, [case.challenge] if case.challenge else [])
            for field, value in case.more:
                assert answer.headers[field] == value
            if case.status == 200:
                assert json.loads(answer.body) == {"subject": case.subject}
            else:
                assert (case.detail or "") in answer.body
                secret = [value.split()[-1] for field, value in case.headers if field != "Origin" and len(value) > 20]
                assert not any(value in answer.body for value in secret)


def test_a_proof_twice(served: Any, framework: str) -> None:  # noqa: ANN401 - as above
    """A proof that was overheard is good for nothing (RFC 9449 §11.1)."""
    if framework == "grpc":
        pytest.skip("the table's proofs are for HTTP")
    headers = dpop()
    assert served.ask("GET", "/v1/bound", headers).status == 200
    answer = served.ask("GET", "/v1/bound", headers)
    assert answer.status == 401
    assert list(answer.challenges) == [of_dpop("invalid_dpop_proof", "the proof was used before")]


def test_the_metadata_document(served: Any, framework: str) -> None:  # noqa: ANN401 - as above
    """The API says where its tokens come from, at the URL that its challenges name (RFC 9728)."""
    if framework == "grpc":
        pytest.skip("gRPC has no documents")
    answer = served.ask("GET", RESOURCE.metadata_path, [])
    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert json.loads(answer.body) == {
        "resource": "https://api.example.com/v1",
        "authorization_servers": [VERIFIER.issuer],
        "scopes_supported": ["orders:read", "orders:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "dpop_signing_alg_values_supported": list(dpop_proof.ALGORITHMS),
    }


def test_the_table_is_long_enough() -> None:
    """Every framework that speaks HTTP goes through a hundred cases, and gRPC through sixty."""
    assert min(sum(name in case.only for case in CASES.values()) for name in HTTP) >= 100
    assert sum("grpc" in case.only for case in CASES.values()) >= 60


# ── WebSockets ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=WEBSOCKETS)
def live(request: pytest.FixtureRequest) -> Iterator[tuple[Served, str]]:
    """Serve an application whose framework has WebSockets."""
    with FRAMEWORKS[request.param]() as served:
        yield served, request.param


def handshake(served: Served, path: str, headers: dict[str, str]) -> str | bytes:
    """Open a WebSocket, and return what it says first."""
    with connect(f"ws://127.0.0.1:{served.port}/live{path}", additional_headers=headers) as socket:
        return socket.recv()


def test_a_websocket_with_a_token(live: tuple[Served, str]) -> None:
    """The handshake carries the token as any request does."""
    assert handshake(live[0], "/dashboard", {"Authorization": f"Bearer {GOOD}"}) == "user_1"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_a_websocket_without_a_good_token(live: tuple[Served, str], headers: dict[str, str]) -> None:
    """The handshake fails with the same answer as any request; Litestar makes a 403 of every refusal there."""
    with pytest.raises(InvalidStatus) as caught:
        handshake(live[0], "/dashboard", headers)
    answer = caught.value.response
    if live[1] == "litestar":
        assert answer.status_code == 403
    else:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_websocket_with_a_cookie(live: tuple[Served, str]) -> None:
    """A page of ours is known by its Origin, which a browser always sends with the handshake."""
    cookies = {"Cookie": f"__Host-gatepass-access={GOOD}"}
    assert handshake(live[0], "/v1/cookie", cookies | {"Origin": PAGES}) == "user_1"
    for origin in ({"Origin": "https://evil.example"}, {}, {"Gatepass-Request": "1"}):
        with pytest.raises(InvalidStatus) as caught:
            handshake(live[0], "/v1/cookie", cookies | origin)
        assert caught.value.response.status_code == 403


# ── OpenAPI ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SCHEME = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def test_openapi_of_fastapi_declares_the_scheme() -> None:
    """The document says that the routes take a JWT as a bearer token, once, and names it per route."""
    document = fastapi_app().openapi()
    assert document["components"]["securitySchemes"] == {"bearer": SCHEME}
    assert {tuple(route["get"]["security"][0]) for route in document["paths"].values()} == {("bearer",)}


def test_openapi_of_litestar_declares_the_scheme() -> None:
    """So does Litestar's."""
    document: Any = litestar_app().openapi_schema.to_schema()
    assert document["components"]["securitySchemes"] == {"bearer": SCHEME}
    assert document["paths"]["/dashboard"]["get"]["security"] == [{"bearer": []}]


# ── policies that make no sense ─────────────────────────────────────────────────────────────────────────────────────


def test_a_requirement_that_makes_no_sense_fails_at_start() -> None:
    """A typo in a route's requirement shows when the route is made."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER)
    for arguments in ({"scope": ""}, {"scope": 'a"b'}, {"scope": "é"}, {"acr": " "}, {"role": ""}, {"max_age": -1}):
        with pytest.raises(InvalidPolicyError):
            bearer.require(**arguments)


def test_what_is_optional_requires_nothing() -> None:
    """Neither way round: whoever needs a scope is not nobody."""
    bearer = gatepass.verify.starlette.Bearer(VERIFIER)
    with pytest.raises(InvalidPolicyError):
        bearer.optional().require(scope="a")
    with pytest.raises(InvalidPolicyError):
        bearer.require(scope="a").optional()


def test_a_cookie_without_pages() -> None:
    """Cookie mode names the pages that may use it."""
    with pytest.raises(InvalidPolicyError):
        gatepass.verify.starlette.Bearer(VERIFIER, cookie=gatepass.verify.Cookie())


def test_metadata_without_a_resource() -> None:
    """A document about nothing is not served."""
    with pytest.raises(InvalidPolicyError):
        gatepass.verify.starlette.Bearer(VERIFIER).metadata_route()


# ── requests, as the guard reads them ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/a%20b/%C3%A9", "/@x:y;z=1,2", "/~a-b_c.d", "/"])
def test_the_url_of_a_request(path: str) -> None:
    """However the server hands the path over, it is the one that the client signed, in some spelling."""
    sent = f"https://api.example.com{path}"
    scope = {
        "type": "http",
        "scheme": "https",
        "path": unquote(path),
        "raw_path": path.encode(),
        "headers": [(b"host", b"api.example.com")],
    }
    environ = {
        "REQUEST_METHOD": "GET",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "api.example.com",
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path).encode().decode("latin-1"),
    }
    without_raw = {name: value for name, value in scope.items() if name != "raw_path"}
    asked = (asgi.AsgiRequest(scope), asgi.AsgiRequest(without_raw), wsgi.WsgiRequest(environ))
    assert [dpop_proof.is_same_target(sent, one.url) for one in asked] == [True] * 3
    assert asgi.AsgiRequest(scope | {"type": "websocket", "scheme": "wss"}).url == sent


@pytest.mark.parametrize("host", [b"[", b"[::1", b"a:b", b"", b"\xe9", b"a b", b"api.example.com@evil.example"])
@pytest.mark.parametrize("resource", [None, RESOURCE])
def test_a_host_that_is_none(host: bytes, resource: Resource | None) -> None:
    """Whatever stands in `Host`, a request is refused or let in, and nothing else happens."""
    bearer = asgi.Bearer(VERIFIER, resource=resource)
    token, proof = (value for _, value in dpop(nonce=None))
    headers = [(b"host", host), (b"authorization", token.encode()), (b"dpop", proof.encode())]
    scope = {"type": "http", "scheme": "https", "method": "GET", "path": "/v1/bound", "headers": headers}
    status = 200
    try:
        asyncio.run(bearer(scope))
    except Refused as refused:
        status = refused.answer.status
    assert status in ((400, 401) if resource is None else (200, 400))  # a host that is not looked at may be any


@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_every_kind_of_grpc_method(kind: str) -> None:
    """Streams are refused and let in like single calls; what the handler awaits knows who calls."""
    bearer = gatepass.verify.grpc.Bearer(VERIFIER)

    async def one(*_: object) -> bytes:
        return gatepass.verify.grpc.principal().subject.encode()

    async def several(*_: object) -> AsyncIterator[bytes]:
        yield await one()

    make = getattr(grpc, f"{kind}_rpc_method_handler")
    handler = make(several if kind.endswith("_stream") else one)

    async def called(metadata: tuple[tuple[str, str], ...]) -> bytes:
        server = grpc.aio.server(interceptors=[bearer.interceptor()])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.A", {"B": handler})])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            request: Any = iter([b"x"]) if kind.startswith("stream") else b"x"
            answer = getattr(channel, kind)("/a.A/B")(request, metadata=metadata, timeout=10)
            try:
                if kind.endswith("_stream"):
                    return b"".join([part async for part in answer])
                return cast("bytes", await answer)
            finally:
                await server.stop(0)

    assert asyncio.run(called((("authorization", f"Bearer {GOOD}"),))) == b"user_1"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        asyncio.run(called(()))
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert dict(cast("Any", caught.value.trailing_metadata()))["www-authenticate"] == "Bearer"
