"""Registered clients: their own tokens, refreshing, revoking, introspecting, with every way to prove who they are."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import Registered, add_client
from tests.support.server import ANN, NOON
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import Key, KeySet, jws, jwt
from gatepass.server.store.opening import open_database
from gatepass.server.store.sql_transaction import SqlTransaction
from gatepass.server.web.auth.client import ASSERTION_TYPE
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer, SettableClock

    from gatepass.server.domain.ports import Transaction

API = "https://orders.example.test"


def register(
    server: RunningServer, capsys: pytest.CaptureFixture[str], *words: str, name: str = "worker"
) -> Registered:
    """Add a client by the command line."""
    return add_client(server, name, *words)


@pytest.fixture
def worker(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Registered:
    """A client with tokens of its own for one API, and two scopes."""
    return register(server, capsys, "--audience", API, "--scope", "read", "--scope", "write")


def ask(api: httpx.Client, client: Registered, **form: str) -> httpx.Response:
    """Ask for a token by client_secret_basic."""
    return api.post("/oauth/token", data={"grant_type": "client_credentials", **form}, headers=client.basic)


def error(answer: httpx.Response) -> tuple[int, str]:
    """Status and OAuth error."""
    return answer.status_code, answer.json()["error"]


def test_a_client_gets_a_token_of_its_own(api: httpx.Client, worker: Registered, server: RunningServer) -> None:
    """RFC 6749 §4.4: access token, type, life, scope; no refresh token; not cached. It speaks for the client."""
    answer = ask(api, worker)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {**body, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "read write",
    }
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").content)
    verifier = Verifier(issuer=server.url, audience=API, keys=keys, revocation=None, clock=server.clock)
    principal = verifier.verify(body["access_token"])
    assert (principal.subject, principal.client_id, principal.session_id) == (worker.id, worker.id, None)
    assert principal.scopes == {"read", "write"}
    assert worker.id.startswith("cli_")


def test_a_client_asks_for_less_and_never_for_more(api: httpx.Client, worker: Registered) -> None:
    """One of its scopes and audiences; another's is refused."""
    fewer = ask(api, worker, scope="read", resource=API).json()["access_token"]
    assert jwt.peek(fewer).claims["scope"] == "read"
    assert jwt.peek(fewer).claims["aud"] == API
    assert error(ask(api, worker, scope="read admin")) == (400, "invalid_scope")
    assert error(ask(api, worker, audience="https://other.test")) == (400, "invalid_target")


def test_by_default_a_client_is_for_the_issuer(
    api: httpx.Client, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client that is given no audience has the server that it asks, whatever URL the command line would guess."""
    client = register(server, capsys)
    token = ask(api, client).json()["access_token"]
    assert jwt.peek(token).claims["aud"] == server.url
    assert introspect(api, client, token)["active"] is True


def test_a_client_proves_itself(api: httpx.Client, worker: Registered) -> None:
    """A secret in the header or in the body; a wrong or missing one is 401, with a challenge to who used the header.

    RFC 6749 §5.2: openid-client and others see nothing but the challenge where there is one, so it says what is wrong.
    """
    form = {"grant_type": "client_credentials"}
    right = {"client_id": worker.id, "client_secret": worker.secret}
    assert api.post("/oauth/token", data=form | right).status_code == 200
    for wrong in (
        {"client_id": worker.id, "client_secret": worker.secret + "x"},
        {"client_id": worker.id, "client_secret": ""},
        {"client_id": worker.id},
        {"client_id": "cli_nobody", "client_secret": worker.secret},
        {"client_id": "first-party", "client_secret": ""},
        {},
    ):
        answer = api.post("/oauth/token", data=form | wrong)
        assert error(answer) == (401, "invalid_client")
        assert "www-authenticate" not in answer.headers
        assert worker.secret not in answer.text
    doubled = api.post("/oauth/token", data=form | right, headers=worker.basic)
    assert error(doubled) == (400, "invalid_request")
    for header in ("Basic !!!", "Basic " + base64.b64encode(b"no colon").decode(), "Bearer x", "Basic"):
        refused = api.post("/oauth/token", data=form, headers={"authorization": header})
        assert error(refused) == (401, "invalid_client")
        challenge = refused.headers["www-authenticate"]
        assert challenge.startswith('Basic realm="gatepass", error="invalid_client", error_description="')


def test_an_empty_secret_is_none(
    server: RunningServer, api: httpx.Client, worker: Registered, capsys: pytest.CaptureFixture[str]
) -> None:
    """RFC 6749 §2.3.1: so public clients may send one, as oidc-agent and Go's oauth2 do; it proves nothing."""
    public = register(server, capsys, "--public", "--grant", "device_code", "--scope", "openid", name="agent")
    form = {"scope": "openid"}
    assert api.post("/oauth/device", data=form, headers=public.basic).status_code == 200
    assert api.post("/oauth/device", data=form | {"client_id": public.id}, headers=public.basic).status_code == 200
    assert api.post("/oauth/device", data=form | {"client_id": public.id, "client_secret": ""}).status_code == 200
    another = api.post("/oauth/device", data=form | {"client_id": worker.id}, headers=public.basic)
    assert error(another) == (401, "invalid_client")
    form = {"grant_type": "client_credentials"}
    empty = worker._replace(secret="")
    assert error(api.post("/oauth/token", data=form, headers=empty.basic)) == (401, "invalid_client")
    asked = api.post("/oauth/introspect", data={"token": "x"}, headers=public.basic)
    assert error(asked) == (401, "invalid_client")


def test_errors_of_the_router_are_oauths(api: httpx.Client) -> None:
    """A wrong method or path under /oauth, or a header sent twice, is answered in RFC 6749's form too."""
    wrong_method = api.get("/oauth/token")
    assert error(wrong_method) == (405, "invalid_request")
    assert wrong_method.headers["allow"] == "POST"
    assert error(api.post("/oauth/nothing")) == (404, "invalid_request")
    twice = api.post("/oauth/token", headers=[("authorization", "a"), ("authorization", "b")])
    assert error(twice) == (400, "invalid_request")


@pytest.fixture
def signing_client(server: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> tuple[Registered, Key]:
    """A client that signs, and its key."""
    key = Key.generate("ES256")
    file = tmp_path / "client.jwks"
    file.write_text(json.dumps(KeySet([key]).to_jwks()))
    return register(server, capsys, "--jwks", str(file)), key


def assertion(client: Registered, key: Key, server: RunningServer, **changes: Any) -> dict[str, str]:  # noqa: ANN401
    """The form of private_key_jwt."""
    claims: dict[str, Any] = {
        "iss": client.id,
        "sub": client.id,
        "aud": server.url,
        "jti": secrets.token_hex(8),
        "iat": int(NOON),
        "exp": int(NOON) + 60,
    }
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.sign({**claims, **changes}, key),
    }


def test_a_client_signs_and_needs_no_secret(
    api: httpx.Client, server: RunningServer, signing_client: tuple[Registered, Key]
) -> None:
    """private_key_jwt (RFC 7523): accepted once; the same assertion again is refused."""
    client, key = signing_client
    assert client.secret == ""
    form = assertion(client, key, server)
    assert api.post("/oauth/token", data=form).status_code == 200
    assert error(api.post("/oauth/token", data=form)) == (401, "invalid_client")
    assert api.post("/oauth/token", data=assertion(client, key, server)).status_code == 200


BAD_CLAIMS: tuple[dict[str, Any], ...] = (
    {"aud": "https://other.test"},
    {"aud": []},
    {"aud": ["{issuer}", "https://other.test"]},
    {"aud": ["{issuer}", "{issuer}"]},
    {"aud": ["{issuer}/oauth/token"]},
    {"aud": "{issuer}/oauth/token"},
    {"sub": "somebody-else"},
    {"iss": "cli_nobody"},
    {"iss": 1},
    {"exp": int(NOON)},
    {"exp": int(NOON) + 3_601},
    {"exp": int(NOON) + 3_700, "iat": int(NOON) + 100},
    {"iat": int(NOON) + 61},
    {"nbf": int(NOON) + 61},
    {"exp": int(NOON) - 30},
    {"jti": None},
    {"exp": None},
)
"""What is not said in an assertion, or not so; None stands for nothing."""


def test_an_assertion_is_short_lived_and_for_us_alone(
    api: httpx.Client, server: RunningServer, signing_client: tuple[Registered, Key], subtests: pytest.Subtests
) -> None:
    """`aud` is exactly the issuer, `iss` and `sub` the client, `exp` at most an hour ahead, `jti` there."""
    client, key = signing_client
    for changes in BAD_CLAIMS:
        with subtests.test(str(changes)):
            form = assertion(client, key, server)
            claims: dict[str, Any] = dict(jwt.peek(form["client_assertion"]).claims)
            for name, value in changes.items():
                if value is None:
                    del claims[name]
                else:
                    claims[name] = json.loads(json.dumps(value).replace("{issuer}", server.url))
            form["client_assertion"] = jws.sign(json.dumps(claims).encode(), key)
            assert error(api.post("/oauth/token", data=form)) == (401, "invalid_client")


def test_no_other_kind_of_token_is_an_assertion(
    api: httpx.Client, server: RunningServer, signing_client: tuple[Registered, Key]
) -> None:
    """RFC 8725bis §3.12: what a client signs for another end proves nothing here, whatever its claims say."""
    client, key = signing_client
    kinds = (None, "JWT", "jwt", "application/JWT", "client-authentication+jwt")
    others = ("at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "oauth-id-jag+jwt", "")
    for typ in (*kinds, *others):
        form = assertion(client, key, server)
        claims = json.dumps(dict(jwt.peek(form["client_assertion"]).claims)).encode()
        form["client_assertion"] = jws.sign(claims, key, None if typ is None else {"typ": typ})
        assert api.post("/oauth/token", data=form).status_code == (401 if typ in others else 200), typ


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["{issuer}"]},
        {"exp": int(NOON) + 3_600},
        {"exp": int(NOON) + 3_630, "iat": int(NOON) + 30},
        {"exp": int(NOON) + 3_600, "iat": int(NOON) + 60, "nbf": int(NOON) + 60},
    ],
    ids=["list of one", "an hour", "a clock that is ahead", "from a little later on"],
)
def test_an_assertion_as_libraries_write_it(
    api: httpx.Client,
    server: RunningServer,
    clock: SettableClock,
    signing_client: tuple[Registered, Key],
    changes: dict[str, Any],
) -> None:
    """Authlib signs for an hour, many others send `aud` as a list; each is good once, for as long as it lives."""
    client, key = signing_client
    form = assertion(client, key, server, **json.loads(json.dumps(changes).replace("{issuer}", server.url)))
    assert api.post("/oauth/token", data=form).status_code == 200
    clock.advance(50 if changes.get("aud") else 3_000)
    assert error(api.post("/oauth/token", data=form)) == (401, "invalid_client")


def test_a_client_that_names_the_token_endpoint(
    api: httpx.Client, server: RunningServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """RFC 7523 §3's old audience is taken of clients for which the operator said so, and never beside another."""
    key = Key.generate("ES256")
    file = tmp_path / "old.jwks"
    file.write_text(json.dumps(KeySet([key]).to_jwks()))
    old = register(server, capsys, "--jwks", str(file), "--assertion-audience", "token_endpoint")
    endpoint = f"{server.url}/oauth/token"
    for audience in (endpoint, [endpoint], server.url):
        assert api.post("/oauth/token", data=assertion(old, key, server, aud=audience)).status_code == 200
    for audience in ([endpoint, server.url], f"{server.url}/oauth/revoke", "https://other.test/oauth/token"):
        refused = api.post("/oauth/token", data=assertion(old, key, server, aud=audience))
        assert error(refused) == (401, "invalid_client")


def test_an_assertion_under_another_key_is_refused(
    api: httpx.Client, server: RunningServer, signing_client: tuple[Registered, Key], worker: Registered
) -> None:
    """Neither another key, nor a client with a secret, nor the secret's text as an HMAC key."""
    client, _ = signing_client
    for form in (
        assertion(client, Key.generate("ES256"), server),
        assertion(worker, Key.generate("ES256"), server),
        assertion(worker, Key.from_secret(worker.secret.encode(), "HS256"), server),
    ):
        assert error(api.post("/oauth/token", data=form)) == (401, "invalid_client")


BAD_FORMS: tuple[tuple[str, str, tuple[int, str]], ...] = (
    ("", "application/x-www-form-urlencoded", (400, "invalid_request")),
    ("grant_type=password&username=a&password=b", "application/x-www-form-urlencoded", (401, "invalid_client")),
    ("grant_type=a&grant_type=b", "application/x-www-form-urlencoded", (400, "invalid_request")),
    ("grant_type", "application/x-www-form-urlencoded", (400, "invalid_request")),
    ("grant_type=%ff", "application/x-www-form-urlencoded", (400, "invalid_request")),
    ('{"grant_type": "client_credentials"}', "application/json", (415, "invalid_request")),
    ("a=" + "x" * 70_000, "application/x-www-form-urlencoded", (413, "invalid_request")),
    (
        "&".join(f"a{number}=1" for number in range(100)),
        "application/x-www-form-urlencoded",
        (400, "invalid_request"),
    ),
)
"""A body, its media type, and the error."""


def test_forms_as_other_libraries_write_them(api: httpx.Client, worker: Registered) -> None:
    """What is said of a form's charset means nothing (Java's clients say ISO-8859-1), and nothing between two `&`."""
    for parameter in ("", ";", "; charset=UTF-8", ";charset=utf8", "; charset=ISO-8859-1", '; charset="us-ascii"'):
        for body in ("grant_type=client_credentials", "&grant_type=client%5Fcredentials&&x=&"):
            headers = {"content-type": f"application/x-www-form-urlencoded{parameter}"}
            answer = api.post("/oauth/token", content=body, headers=worker.basic | headers)
            assert answer.status_code == 200, (parameter, body, answer.text)


def test_bad_forms(api: httpx.Client, subtests: pytest.Subtests) -> None:
    """Errors under /oauth are RFC 6749's, whatever is wrong."""
    for body, content_type, expected in BAD_FORMS:
        with subtests.test(body[:40]):
            answer = api.post("/oauth/token", content=body, headers={"content-type": content_type})
            assert error(answer) == expected
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["cache-control"] == "no-store"


def test_a_grant_type_that_was_not_given(
    api: httpx.Client, worker: Registered, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that we know: `unauthorized_client`; the password grant and others: `unsupported_grant_type`."""
    refreshing = register(server, capsys, "--grant", "refresh_token")
    assert error(ask(api, refreshing)) == (400, "unauthorized_client")
    assert error(ask(api, worker, grant_type="refresh_token")) == (400, "unauthorized_client")
    assert error(ask(api, worker, grant_type="password")) == (400, "unsupported_grant_type")


# ── refreshing ──


@pytest.fixture
def web_application(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Registered:
    """A confidential client that holds grants of people."""
    return register(server, capsys, "--grant", "refresh_token", "--audience", API, "--scope", "read", name="web")


def refresh(api: httpx.Client, client: Registered, token: str) -> httpx.Response:
    """Refresh at /oauth/token."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return api.post("/oauth/token", data=form, headers=client.basic)


def test_a_refresh_at_the_right_client_only(
    api: httpx.Client, ann: dict[str, str], web_application: Registered, clock: SettableClock, server: RunningServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A confidential client's grant is refreshed at /oauth/token with its secret, and nowhere else (RFC 6749 §6)."""
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    assert jwt.peek(pair["token"]).claims["aud"] == API
    assert jwt.peek(pair["token"]).claims["client_id"] == web_application.id
    clock.advance(60)
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["code"] == "invalid_refresh_token"
    other = register(server, capsys, "--grant", "refresh_token", name="other")
    assert error(refresh(api, other, pair["refresh_token"])) == (400, "invalid_grant")
    renewed = refresh(api, web_application, pair["refresh_token"])
    assert renewed.status_code == 200
    assert renewed.json()["refresh_token"] != pair["refresh_token"]
    assert jwt.peek(renewed.json()["access_token"]).claims["sid"] == jwt.peek(pair["token"]).claims["sid"]


def test_a_first_party_token_is_refused_at_the_token_endpoint(
    api: httpx.Client, ann: dict[str, str], web_application: Registered
) -> None:
    """The built-in client's refresh tokens go to /refresh."""
    pair = api.post("/login", json=ann).json()
    assert error(refresh(api, web_application, pair["refresh_token"])) == (400, "invalid_grant")
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200


def test_a_refusal_names_our_own_code(
    api: httpx.Client, ann: dict[str, str], web_application: Registered, clock: SettableClock
) -> None:
    """`invalid_grant`, with `refresh_token_reused` or `session_ended` as the description."""
    old = api.post("/login", json=ann | {"client_id": web_application.id}).json()["refresh_token"]
    current = old
    for _ in range(2):
        clock.advance(60)
        current = refresh(api, web_application, current).json()["refresh_token"]
    assert refresh(api, web_application, old).json() == {
        "error": "invalid_grant",
        "error_description": "refresh_token_reused",
    }
    assert refresh(api, web_application, current).json()["error_description"] == "session_ended"
    assert refresh(api, web_application, "nonsense").json()["error_description"] == "invalid_refresh_token"


# ── revoking and introspecting ──


def introspect(api: httpx.Client, client: Registered, token: str) -> Any:  # noqa: ANN401
    """Ask about a token."""
    answer = api.post("/oauth/introspect", data={"token": token}, headers=client.basic)
    assert answer.status_code == 200
    return answer.json()


def revoke(api: httpx.Client, client: Registered, token: str) -> int:
    """Revoke a token; the status."""
    return api.post("/oauth/revoke", data={"token": token}, headers=client.basic).status_code


def test_introspection_tells_the_audience_only(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered, server: RunningServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A token for the asking client's API: its claims. For another: exactly `{"active": false}`, as for nonsense."""
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    seen = introspect(api, worker, pair["token"])
    claims = jwt.peek(pair["token"]).claims
    assert seen["active"] is True
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "scope"):
        assert seen[name] == claims[name]
    stranger = register(server, capsys, "--audience", "https://other.test", name="stranger")
    for token in (pair["token"], "nonsense", pair["refresh_token"], pair["token"] + "x"):
        assert introspect(api, stranger, token) == {"active": False}
    answer = api.post("/oauth/introspect", data={"token": pair["token"]})
    assert error(answer) == (401, "invalid_client")


def test_introspection_knows_expiry_and_revocation(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered, clock: SettableClock
) -> None:
    """Expired, logged out: inactive at once."""
    first, second = (api.post("/login", json=ann | {"client_id": web_application.id}).json() for _ in range(2))
    assert introspect(api, worker, first["token"])["active"] is True
    revoke(api, web_application, first["refresh_token"])
    assert introspect(api, worker, first["token"]) == {"active": False}
    assert introspect(api, worker, second["token"])["active"] is True
    clock.advance(900)
    assert introspect(api, worker, second["token"]) == {"active": False}


def test_a_client_introspects_its_own_refresh_token(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered
) -> None:
    """Whose it is and until when; at another client it is nothing."""
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    seen = introspect(api, web_application, pair["refresh_token"])
    assert (seen["active"], seen["token_type"], seen["client_id"]) == (True, "refresh_token", web_application.id)
    assert introspect(api, worker, pair["refresh_token"]) == {"active": False}
    revoke(api, web_application, pair["refresh_token"])
    assert introspect(api, web_application, pair["refresh_token"]) == {"active": False}


def test_revoking_an_access_token_kills_that_one_only(
    api: httpx.Client, worker: Registered, server: RunningServer
) -> None:
    """RFC 7009 for JWTs: by `jti`, at introspection at once, and in the snapshot for verifiers."""
    one, other = (ask(api, worker).json()["access_token"] for _ in range(2))
    assert revoke(api, worker, one) == 200
    assert introspect(api, worker, one) == {"active": False}
    assert introspect(api, worker, other)["active"] is True
    jti = jwt.peek(one).claims["jti"]
    eventually(lambda: jti in jwt.peek(api.get("/revocations/snapshot").text).claims["jtis"])


async def _revoke_50_000(server: RunningServer, *, count: int = 50_000, client_id: str = "") -> None:
    async def unit(tx: Transaction) -> None:
        assert isinstance(tx, SqlTransaction)
        await tx.revocations._connection.row(
            "INSERT INTO revocations (id, jti, expires_at, client_id)"  # noqa: S608 - a number and an id of the test's
            f" WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})"
            f" SELECT -n, 'jti ' || n, CAST(?1 AS DOUBLE PRECISION), '{client_id}' FROM numbers",
            server.clock.now + 600,
        )

    async with open_database(server.settings, server.clock) as database:
        await database.transaction(unit)


def test_revoking_by_name_has_a_bound(api: httpx.Client, worker: Registered, server: RunningServer) -> None:
    """With 50,000 tokens in the snapshot the next one is refused with a 503, and lives on (RFC 7009 §2.2.1)."""
    token = ask(api, worker, audience=API).json()["access_token"]
    asyncio.run(_revoke_50_000(server))
    answer = api.post("/oauth/revoke", data={"token": token}, headers=worker.basic)
    assert error(answer) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "60"
    assert introspect(api, worker, token)["active"] is True
    server.clock.advance(601)
    token = ask(api, worker, audience=API).json()["access_token"]
    assert revoke(api, worker, token) == 200
    assert introspect(api, worker, token) == {"active": False}


def test_a_client_has_its_share_of_names(
    api: httpx.Client, worker: Registered, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has used up their own is refused by a stable error, and all others revoke on; nothing counts twice."""
    other = register(server, capsys, "--audience", API, name="other")
    asyncio.run(_revoke_50_000(server, count=24_999, client_id=worker.id))
    last, one_more = (ask(api, worker).json()["access_token"] for _ in range(2))
    for _ in range(3):
        assert revoke(api, worker, last) == 200
    answer = api.post("/oauth/revoke", data={"token": one_more}, headers=worker.basic)
    assert error(answer) == (503, "temporarily_unavailable")
    theirs = ask(api, other).json()["access_token"]
    assert revoke(api, other, theirs) == 200
    assert introspect(api, other, theirs) == {"active": False}
    server.clock.advance(601)
    assert revoke(api, worker, ask(api, worker).json()["access_token"]) == 200


def test_an_access_token_of_a_grant_dies_with_its_place(
    api: httpx.Client, ann: dict[str, str], web_application: Registered, worker: Registered, server: RunningServer
) -> None:
    """It takes a bit and no name, however many are revoked; the grant goes on, and what it brings next is good."""
    asyncio.run(_revoke_50_000(server))
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    fresh = ""
    for _ in range(3):
        fresh = refresh(api, web_application, pair["refresh_token"]).json()["access_token"]
        assert introspect(api, worker, fresh)["active"] is True
        assert revoke(api, web_application, fresh) == 200
        assert revoke(api, web_application, fresh) == 200
        assert introspect(api, worker, fresh) == {"active": False}
    assert introspect(api, worker, pair["token"]) == {"active": False}
    alive = refresh(api, web_application, pair["refresh_token"]).json()["access_token"]
    assert introspect(api, worker, alive)["active"] is True
    jti = jwt.peek(fresh).claims["jti"]
    assert jti not in jwt.peek(api.get("/revocations/snapshot").text).claims["jtis"]


def test_a_client_revokes_a_token_for_an_api_that_it_has_no_more(
    api: httpx.Client, worker: Registered, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a token is for has no say in whether its client may take it back."""
    elsewhere = register(server, capsys, "--audience", API, "--audience", "https://shop.example.test", name="both")
    token = ask(api, elsewhere, audience=API).json()["access_token"]
    main(["client", "edit", elsewhere.id, "--audience", "https://shop.example.test", *server.place])
    assert revoke(api, elsewhere, token) == 200
    assert introspect(api, worker, token) == {"active": False}


def test_asking_about_a_token_with_an_odd_audience(api: httpx.Client, worker: Registered) -> None:
    """What says so before anything is verified is no token of ours, and no error of the server's."""
    key = Key.generate("ES256")
    for aud in (5, True, {"a": 1}, [5, None], [["x"]], [], None):
        odd = jws.sign(json.dumps({"aud": aud, "client_id": worker.id}).encode(), key, {"typ": "at+jwt"})
        for path, told in (("/oauth/revoke", b""), ("/oauth/introspect", b'{"active":false}')):
            answer = api.post(path, data={"token": odd}, headers=worker.basic)
            assert (answer.status_code, answer.content) == (200, told), (path, aud)


def test_revoking_what_is_another_clients_does_nothing(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered
) -> None:
    """200 for another's token and for nonsense, and no effect; without a token 400."""
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    for token in (pair["token"], pair["refresh_token"], "nonsense", ""):
        assert revoke(api, worker, token) == (200 if token else 400)
    assert introspect(api, worker, pair["token"])["active"] is True
    assert refresh(api, web_application, pair["refresh_token"]).status_code == 200


def test_revoking_a_refresh_token_ends_the_grant_and_its_access_tokens(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered
) -> None:
    """RFC 7009 §2.1; the session itself, which other clients may share, lives on."""
    pair = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    assert revoke(api, web_application, pair["refresh_token"]) == 200
    assert error(refresh(api, web_application, pair["refresh_token"])) == (400, "invalid_grant")
    assert introspect(api, worker, pair["token"]) == {"active": False}


# ── operator ──


def test_a_removed_client_is_dead(
    api: httpx.Client, ann: dict[str, str], worker: Registered, web_application: Registered, server: RunningServer
) -> None:
    """Its secret, its own tokens and the grants that it held; the others' live."""
    own = ask(api, worker).json()["access_token"]
    held = api.post("/login", json=ann | {"client_id": web_application.id}).json()
    main(["client", "remove", web_application.id, *server.place])
    assert error(refresh(api, web_application, held["refresh_token"])) == (401, "invalid_client")
    eventually(lambda: introspect(api, worker, held["token"]) == {"active": False})
    assert introspect(api, worker, own)["active"] is True
    assert api.post("/login", json=ann | {"client_id": web_application.id}).json()["code"] == "unknown_client"


def test_a_rotated_secret(
    api: httpx.Client, worker: Registered, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The client's own tokens are dead and the new secret works; the old one is dead as soon as others notice."""
    own = ask(api, worker).json()["access_token"]
    capsys.readouterr()
    main(["client", "rotate-secret", worker.id, "--json", *server.place])
    renewed = Registered(worker.id, json.loads(capsys.readouterr().out)["client_secret"])
    fresh = ask(api, renewed).json()["access_token"]
    eventually(lambda: ask(api, worker).status_code == 401)
    assert error(ask(api, worker)) == (401, "invalid_client")
    eventually(lambda: introspect(api, renewed, own) == {"active": False})
    assert introspect(api, renewed, fresh)["active"] is True


def test_the_metadata_names_the_endpoints(api: httpx.Client, server: RunningServer) -> None:
    """RFC 8414: endpoints, grant types, authentication methods."""
    metadata = api.get("/.well-known/oauth-authorization-server").json()
    for name in ("token", "revocation", "introspection"):
        assert metadata[f"{name}_endpoint"].startswith(f"{server.url}/oauth/")
        assert "private_key_jwt" in metadata[f"{name}_endpoint_auth_methods_supported"]
    assert {"authorization_code", "client_credentials", "refresh_token"} <= set(metadata["grant_types_supported"])


def test_a_client_id_never_passes_for_a_person(api: httpx.Client, worker: Registered) -> None:
    """RFC 9700 §4.15: identifiers have prefixes, nobody chooses theirs, and a client's token opens no account."""
    token = ask(api, worker).json()["access_token"]
    assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert jwt.peek(token).claims["sub"].startswith("cli_")
    assert ANN["email"] not in token


def test_a_name_that_a_database_cannot_hold_is_no_clients(api: httpx.Client, subtests: pytest.Subtests) -> None:
    """PostgreSQL refuses to be asked for U+0000: a stranger who sends one is told what anybody is, by each way."""
    for name in ("\0", "cli_\0", "\ud800", "é"):
        with subtests.test(ascii(name)):
            _is_no_clients(api, name)


def _is_no_clients(api: httpx.Client, name: str) -> None:
    claims = json.dumps({"iss": name, "sub": name}).encode()
    forged = ".".join(
        base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"ES256"}', claims, b"x")
    )
    by_assertion = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": forged}
    answers = [api.post("/oauth/token", data={"grant_type": "client_credentials", **by_assertion})]
    if name.isascii():
        answers.append(ask(api, Registered(name, "secret")))
        in_body = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
        answers.append(api.post("/oauth/token", data=in_body))
    assert {error(answer) for answer in answers} == {(401, "invalid_client")}


@pytest.mark.parametrize("jti", ["a\0b", "x" * 6_000])
def test_an_assertion_is_good_once_whatever_its_name(
    api: httpx.Client, server: RunningServer, signing_client: tuple[Registered, Key], jti: str
) -> None:
    """A client may name its assertions as it likes: not every database could keep each of them as it is."""
    form = assertion(*signing_client, server, jti=jti)
    assert api.post("/oauth/token", data=form).status_code == 200
    assert error(api.post("/oauth/token", data=form)) == (401, "invalid_client")
