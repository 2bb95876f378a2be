"""An API finds out about the issuer: metadata, keys, and how the calls are described."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


def test_the_metadata_names_the_issuer_and_its_keys(api: httpx.Client, server: RunningServer) -> None:
    """RFC 8414: `issuer` is exactly the `iss` of tokens, and `jwks_uri` answers."""
    metadata = api.get("/.well-known/oauth-authorization-server")
    assert metadata.headers["content-type"] == "application/json"
    assert metadata.json()["issuer"] == server.url
    assert api.get(metadata.json()["jwks_uri"]).status_code == 200


def test_the_jwks_holds_public_keys_and_is_cacheable(api: httpx.Client) -> None:
    """Public parts only, each with `alg`, `use` and `kid`, that of tokens first; an ETag spares the second transfer."""
    answer = api.get("/.well-known/jwks.json")
    members = [set(key) for key in answer.json()["keys"]]
    public = {"kty", "crv", "x", "y", "alg", "use", "kid"}
    assert members == [public, {*public, "urn:gatepass:signs"}]
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["content-type"] == "application/jwk-set+json"
    again = api.get("/.well-known/jwks.json", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.get("/.well-known/jwks.json", headers={"if-none-match": '"something else"'})
    assert other.status_code == 200


def test_head_answers_like_get_without_the_body(api: httpx.Client) -> None:
    """HEAD on a document and on a call."""
    for path in ("/.well-known/jwks.json", "/health"):
        got, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(got.content))


def test_the_host_header_names_nothing(api: httpx.Client, server: RunningServer) -> None:
    """No document and no token takes a URL from the Host header."""
    api.post("/signup", json=ANN)
    forged = {"host": "evil.example"}
    texts = [
        api.get("/.well-known/oauth-authorization-server", headers=forged).text,
        api.get("/openapi.json", headers=forged).text,
        api.post("/login", json=ANN, headers=forged).text,
    ]
    assert all("evil.example" not in text for text in texts)
    assert server.url in texts[0]


def test_an_issuer_may_have_a_path(tmp_path: Path) -> None:
    """With a path every call lies under it, and the metadata where RFC 8414 §3.1 says; health stays at the root."""
    with running_server(tmp_path, issuer="http://localhost/auth/v1") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        metadata = api.get("/.well-known/oauth-authorization-server/auth/v1").json()
        assert metadata["issuer"] == "http://localhost/auth/v1"
        assert metadata["jwks_uri"] == "http://localhost/auth/v1/.well-known/jwks.json"
        # for a proxy that passes on nothing but what is below the issuer
        assert api.get("/auth/v1/.well-known/oauth-authorization-server").json() == metadata
        assert api.get("/auth/v1/.well-known/jwks.json").status_code == 200
        assert api.post("/auth/v1/signup", json=ANN).status_code == 201
        assert api.post("/auth/v1/login", json=ANN).status_code == 200
        assert api.post("/login", json=ANN).status_code == 404
        assert api.get("/health").status_code == 200


def test_health_and_readiness(api: httpx.Client) -> None:
    """Both answer 200 while all is well."""
    assert api.get("/health").json() == {"status": "ok"}
    assert api.get("/ready").json()["status"] == "ok"


def test_the_description_knows_every_call(api: httpx.Client) -> None:
    """`/openapi.json` is OpenAPI 3.1 and describes what there is, with the struct of each body."""
    description = api.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    calls = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert calls >= {
        ("POST", "/signup"),
        ("POST", "/login"),
        ("POST", "/refresh"),
        ("POST", "/logout"),
        ("POST", "/logout/all"),
        ("GET", "/me"),
        ("GET", "/sessions"),
        ("DELETE", "/sessions/{id}"),
        ("GET", "/health"),
        ("GET", "/ready"),
    }
    for method, path in calls - {("DELETE", "/sessions/{id}")}:
        with api.stream(method, path) as answer:  # one of them never ends
            assert answer.status_code != 404
    refresh = description["components"]["schemas"]["RefreshRequest"]
    assert "refresh_token" in refresh["properties"]


def test_the_docs_page_lists_the_calls(api: httpx.Client) -> None:
    """`/docs` is a page without any script, with the stylesheet from here."""
    page = api.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "/sessions/{id}" in page.text
    assert "refresh_token_reused" in page.text
    assert "<script" not in page.text
    assert api.get("/static/gatepass.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "path", ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/revocations/snapshot"]
)
def test_a_page_of_any_origin_may_read_what_is_public(api: httpx.Client, path: str) -> None:
    """Also with a header of its own, about which the browser asks before it sends the request."""
    asked = {"origin": "https://any.example", "access-control-request-method": "GET"}
    answer = api.options(path, headers={**asked, "access-control-request-headers": "x-trace"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == answer.headers["access-control-allow-headers"] == "*"
    assert api.get(path, headers={"origin": "https://any.example"}).headers["access-control-allow-origin"] == "*"
