"""What bad input gets: a clear 4xx with a stable code, never a 500, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import ANN

if TYPE_CHECKING:
    import httpx

JSON = {"content-type": "application/json"}


def is_problem(answer: httpx.Response, status: int, code: str) -> None:
    """Check an RFC 9457 document: type, title, status, code; and that it tells nothing of our insides."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["type"] == f"urn:gatepass:problem:{code}"
    assert answer.json()["status"] == status
    assert answer.json()["title"]
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"email": "a@b.test", "password": "x"} trailing',
        b'{"email": "\xff", "password": "x"}',
        b"\xef\xbb\xbf{}",
        '{"email": "ann@example.test"}'.encode("utf-16"),
        b'{"email": "\\ud800", "password": "x"}',
        b'{"email": NaN, "password": "x"}',
    ],
    ids=["cut", "words", "trailing", "latin-1", "bom", "utf-16", "surrogate", "nan"],
)
def test_malformed_json(api: httpx.Client, body: bytes) -> None:
    """What is not JSON in UTF-8 gets 400 `malformed_request`."""
    for path in ("/signup", "/login"):
        is_problem(api.post(path, content=body, headers=JSON), 400, "malformed_request")
    token = body.replace(b"email", b"refresh_token").replace(b', "password": "x"', b"")
    for path in ("/refresh", "/logout", "/logout/all"):
        is_problem(api.post(path, content=token, headers=JSON), 400, "malformed_request")


def test_json_names_a_member_once(api: httpx.Client, ann: dict[str, str]) -> None:
    """Of two members of one name, however it is spelled, none is taken: two readers might not take the same."""
    good = json.dumps(ann)[1:-1]
    for first in ('"email": "eve@example.test"', '"password": "a guess of good length"', '"p\\u0061ssword": "a guess"'):
        for body in (f"{{{first}, {good}}}", f"{{{good}, {first}}}", f'{{{good}, "x": {{"a": 1, "a": 2}}}}'):
            answer = api.post("/login", content=body, headers=JSON)
            assert answer.status_code in (400, 422), body
    is_problem(api.post("/login", content=f'{{{good}, "email": "eve@x.test"}}', headers=JSON), 400, "malformed_request")
    token = api.post("/login", json=ann).json()["refresh_token"]
    twice = f'{{"refresh_token": "other", "refresh_token": "{token}"}}'
    for path in ("/refresh", "/logout"):
        is_problem(api.post(path, content=twice, headers=JSON), 400, "malformed_request")


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        {"email": 1, "password": "correct horse battery"},
        {"email": "ann@example.test", "password": None},
        {"email": "ann@example.test", "password": ["correct horse battery"]},
        {"email": "ann@example.test"},
        {"email": "ann@example.test", "password": "correct horse battery", "admin": True},
    ],
)
def test_wrong_types_and_unknown_fields(api: httpx.Client, body: Any) -> None:  # noqa: ANN401
    """What is JSON of another shape gets 422 `invalid_body`, and nobody has signed up by it."""
    is_problem(api.post("/signup", json=body), 422, "invalid_body")
    is_problem(api.post("/login", json=body), 422, "invalid_body")
    assert api.post("/login", json=ANN).json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("opening", [b"[", b'{"email":', b'{"refresh_token":[', b'{"email":[{"a":'])
def test_deep_nesting(api: httpx.Client, opening: bytes) -> None:
    """Sixty thousand bytes of nesting: 422 `invalid_body`, and no stack runs over."""
    for path in ("/login", "/refresh"):
        is_problem(api.post(path, content=opening * (60_000 // len(opening)), headers=JSON), 422, "invalid_body")


def test_wrong_types_where_every_field_is_optional(api: httpx.Client) -> None:
    """The same for refresh and logout."""
    for path in ("/refresh", "/logout", "/logout/all"):
        is_problem(api.post(path, json={"refresh_token": 1}), 422, "invalid_body")
        is_problem(api.post(path, json={"refresh": "x"}), 422, "invalid_body")


def test_a_body_over_the_limit(api: httpx.Client) -> None:
    """Above 64 KiB: 413, whether its length is declared or not, and the next request is served."""
    large = json.dumps(ANN | {"email": "a" * 70_000}).encode()
    is_problem(api.post("/signup", content=large, headers=JSON), 413, "body_too_large")

    def in_chunks() -> Any:  # noqa: ANN401
        for start in range(0, len(large), 8_192):
            yield large[start : start + 8_192]

    is_problem(api.post("/signup", content=in_chunks(), headers=JSON), 413, "body_too_large")
    assert api.get("/health").status_code == 200


def test_wrong_method(api: httpx.Client) -> None:
    """A path that knows other methods: 405 with `Allow`."""
    for method, path, allowed in [
        ("GET", "/login", "POST"),
        ("POST", "/me", "GET"),
        ("PUT", "/sessions/x", "DELETE"),
        ("DELETE", "/.well-known/jwks.json", "GET"),
    ]:
        answer = api.request(method, path)
        is_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed


def test_wrong_path(api: httpx.Client) -> None:
    """Nothing there: 404, also for odd spellings of a path."""
    for path in ("/nothing", "/login/", "//login", "/sessions/", "/sessions/a/b", "/%2e%2e/login", "/LOGIN"):
        url = api.base_url.copy_with(raw_path=path.encode())  # as it is: a URL joins and shortens
        is_problem(api.post(url, json=ANN), 404, "not_found")


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx",
     "application/json; charset=latin-1"],
)  # fmt: skip
def test_wrong_content_type(api: httpx.Client, content_type: str) -> None:
    """Only `application/json` is taken: 415."""
    answer = api.post("/signup", content=json.dumps(ANN), headers={"content-type": content_type})
    is_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("parameter", ["; charset=UTF-8", ';charset="utf-8"', "; charset=utf8", ";"])
def test_json_with_a_charset_is_json(api: httpx.Client, parameter: str) -> None:
    """`application/json; charset=UTF-8`, which some clients send, is taken."""
    answer = api.post("/signup", content=json.dumps(ANN), headers={"content-type": f"application/json{parameter}"})
    assert answer.status_code == 201


@pytest.mark.parametrize("name", ["authorization", "content-type", "origin", "cookie", "gatepass-request"])
def test_a_header_twice(api: httpx.Client, name: str) -> None:
    """A header that may stand once and stands twice: 400 `duplicate_header`."""
    answer = api.post("/logout", headers=[(name, "a"), (name, "b")], json={})
    is_problem(answer, 400, "duplicate_header")


@pytest.mark.parametrize("size", [20_000, 1_000_000])
def test_a_huge_token(api: httpx.Client, size: int) -> None:
    """A bearer token of 20 kB is invalid, one of 1 MB too large a head; a refresh token of 1 MB too large a body."""
    try:
        answer = api.get("/me", headers={"authorization": "Bearer " + "a" * size})
    except Exception as error:  # noqa: BLE001 - the server may close while we still send
        assert size == 1_000_000, error  # noqa: PT017
    else:
        assert answer.json()["code"] == ("invalid_token" if size == 20_000 else "headers_too_large")
    refused = api.post("/refresh", json={"refresh_token": "a" * size})
    assert refused.json()["code"] == ("invalid_refresh_token" if size == 20_000 else "body_too_large")


def test_a_very_long_password_at_login_costs_no_hash(api: httpx.Client, ann: dict[str, str]) -> None:
    """1,025 characters: refused before any hashing."""
    is_problem(api.post("/login", json=ann | {"password": "x" * 1_025}), 422, "password_too_long")


def test_errors_never_repeat_a_secret(api: httpx.Client, ann: dict[str, str]) -> None:
    """Neither a password nor a token of the request stands in any refusal."""
    secret = "a secret of forty characters or so, xyzzy"
    for answer in (
        api.post("/login", json=ann | {"password": secret}),
        api.post("/signup", json={"email": "ann@example.test", "password": secret}),
        api.post("/signup", json={"email": secret, "password": secret}),
        api.post("/refresh", json={"refresh_token": secret}),
        api.post("/refresh", json={"refresh_token": [secret]}),
        api.get("/me", headers={"authorization": f"Bearer {secret}"}),
    ):
        assert answer.status_code >= 400
        assert "xyzzy" not in answer.text


def test_every_answer_carries_the_security_headers(api: httpx.Client) -> None:
    """Calls, documents, pages and errors alike."""
    for answer in (
        api.get("/health"),
        api.get("/.well-known/jwks.json"),
        api.get("/docs"),
        api.get("/nothing"),
        api.post("/login", json={}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
