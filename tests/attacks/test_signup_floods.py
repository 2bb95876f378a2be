"""Accounts by the hundred from one address, and with addresses that the operator does not want."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from tests.support.authenticator import Authenticator
from tests.support.factors import bearer
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, NOON, running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox

BEHIND: dict[str, Any] = {"trusted_proxy": ("127.0.0.0/8", "::1/128")}


def sign_up(api: httpx.Client, name: str, **headers: str) -> httpx.Response:
    """Ask for an account."""
    return api.post("/signup", json=ANN | {"email": f"{name}@example.test"}, headers=headers)


def sign_up_by_passkey(api: httpx.Client, url: str, email: str) -> httpx.Response:
    """The same without a password."""
    offered = api.post("/signup/passkey/options", json={"email": email})
    if offered.status_code != 200:
        return offered
    credential = Authenticator(url).create(offered.json()["public_key"])
    return api.post("/signup/passkey", json={"id": offered.json()["id"], "email": email, "credential": credential})


def test_accounts_from_one_address_have_a_limit(tmp_path: Path) -> None:
    """150 sign-ups in a row make fifty accounts; with an hour's patience more, from elsewhere at once."""
    with running_server(tmp_path, **BEHIND) as server, server.client() as api:
        codes = [sign_up(api, f"p{number}", **{"x-forwarded-for": "192.0.2.1"}).status_code for number in range(150)]
        assert codes == [201] * 50 + [429] * 100
        assert sign_up(api, "elsewhere", **{"x-forwarded-for": "192.0.2.2"}).status_code == 201
        server.clock.advance(3_600)
        assert sign_up(api, "later", **{"x-forwarded-for": "192.0.2.1"}).status_code == 201


def test_every_way_to_an_account_counts(tmp_path: Path) -> None:
    """By password, passkey and another site: one count, however they are mixed; an address that is taken costs none."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        settings: dict[str, Any] = {"signups_per_address": 3, "providers": {"corp": provider.settings()}}
        with running_server(tmp_path, **settings) as server, server.client() as api:
            assert sign_up(api, "first").status_code == 201
            assert sign_up(api, "first").json()["code"] == "email_taken"
            assert sign_up_by_passkey(api, server.url, "second@example.test").status_code == 201
            token = provider.id_token(sub="3", email="third@example.test")
            assert api.post("/login", json={"provider": "corp", "id_token": token}).status_code == 200
            token = provider.id_token(sub="4", email="fourth@example.test", jti="4")
            answers = (
                sign_up(api, "fourth"),
                sign_up_by_passkey(api, server.url, "fourth@example.test"),
                api.post("/login", json={"provider": "corp", "id_token": token}),
            )
            for answer in answers:
                assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
                assert int(answer.headers["retry-after"]) > 0
            token = provider.id_token(sub="3", email="third@example.test", jti="5")
            assert api.post("/login", json={"provider": "corp", "id_token": token}).status_code == 200


def test_sign_ups_by_mail_count_too(tmp_path: Path, mailbox: Mailbox) -> None:
    """Where a mail comes first, it is the mails that are asked for."""
    with running_server(tmp_path, smtp_url=mailbox.url, signups_per_address=2) as server, server.client() as api:
        assert [sign_up(api, f"p{number}").status_code for number in range(4)] == [202, 202, 429, 429]


def test_only_addresses_of_the_domains_that_are_set(tmp_path: Path) -> None:
    """Exactly those, by every way to an account and to another address; who is here already may stay."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        with running_server(tmp_path) as server, server.client() as api:
            api.post("/signup", json=ANN)
            clock = server.clock
        settings: dict[str, Any] = {
            "signup_domains": ("corp.test", "münchen.test"),
            "providers": {"corp": provider.settings()},
        }
        with running_server(tmp_path, clock, **settings) as server, server.client() as api:
            own = api.post("/login", json=ANN).json()["token"]
            for email in ("x@example.test", "x@sub.corp.test", "x@corp.test.evil.test", "x@xcorp.test"):
                token = provider.id_token(sub=email, email=email, jti=email)
                answers = (
                    api.post("/signup", json=ANN | {"email": email}),
                    api.post("/signup/passkey/options", json={"email": email}),
                    api.post("/login", json={"provider": "corp", "id_token": token}),
                    api.post("/account/email", json={"email": email}, headers=bearer(own)),
                )
                for answer in answers:
                    assert (answer.status_code, answer.json()["code"]) == (403, "email_domain_not_allowed"), email
            for email in ("x@corp.test", "Y@CORP.test", "x@münchen.test", "y@xn--mnchen-3ya.test"):
                assert api.post("/signup", json=ANN | {"email": email}).status_code == 201, email
            assert api.post("/account/email", json={"email": "z@corp.test"}, headers=bearer(own)).status_code == 202
            assert api.post("/account/email", json={"email": ANN["email"]}, headers=bearer(own)).status_code == 202
            with Browser(server) as browser:
                page = browser.post("/pages/signup", email="x@example.test", password=ANN["password"])
                assert "Email addresses at this domain are not allowed here." in page.text


@pytest.mark.parametrize("domain", ["@corp.test", "*.corp.test", "corp", "corp.test/", ""])
def test_a_domain_that_is_none_is_refused_at_the_start(domain: str) -> None:
    """A typing error here would let everybody in, or nobody."""
    with pytest.raises(StartupError, match="is not a domain"):
        load(flags={"signup_domains": (domain,)})


class Service(BaseHTTPRequestHandler):
    """The operator's: it lets in whoever sends the right proof, or whatever the test says."""

    asked: ClassVar[list[tuple[dict[str, Any], str | None]]] = []
    status: ClassVar[int | None] = None

    def do_POST(self) -> None:
        """Answer."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((body, self.headers["authorization"]))
        self.send_response(type(self).status or (204 if body["proof"] == "a human" else 403))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Generator[str]:
    """Its URL."""
    Service.asked.clear()
    Service.status = None
    server = ThreadingHTTPServer(("localhost", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://localhost:{server.server_port}/check"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_operators_service_decides(tmp_path: Path, service: str) -> None:
    """It is asked about every way to an account, with what the application sent along, and never about a sign-in."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        settings: dict[str, Any] = {
            "signup_check_url": service,
            "signup_check_token": "the token",
            "providers": {"corp": provider.settings()},
        }
        with running_server(tmp_path, **settings) as server, server.client() as api:
            assert api.post("/signup", json=ANN).json()["code"] == "signup_refused"
            assert api.post("/signup", json=ANN | {"proof": "a robot"}).status_code == 403
            assert api.post("/signup", json=ANN | {"proof": "a human"}).status_code == 201
            told, authorization = Service.asked[-1]
            assert authorization == "Bearer the token"
            assert (told["email"], told["proof"], set(told)) == (
                ANN["email"],
                "a human",
                {"email", "address", "user_agent", "proof"},
            )
            assert sign_up_by_passkey(api, server.url, "second@example.test").json()["code"] == "signup_refused"
            token = provider.id_token(sub="3", email="third@example.test")
            refused = api.post("/login", json={"provider": "corp", "id_token": token})
            assert refused.json()["code"] == "signup_refused"
            count = len(Service.asked)
            assert api.post("/login", json=ANN).status_code == 200
            assert len(Service.asked) == count
            Service.status = 204
            token = provider.id_token(sub="3", email="third@example.test", jti="again")
            assert api.post("/login", json={"provider": "corp", "id_token": token}).status_code == 200
            assert "the token" not in repr(server.settings)


@pytest.mark.parametrize("status", [301, 401, 500])
def test_a_service_that_is_away_lets_nobody_sign_up(tmp_path: Path, service: str, status: int) -> None:
    """It fails closed, with a code of its own; signing in goes on. A redirect is not followed."""
    with running_server(tmp_path, signup_check_url=service) as server, server.client() as api:
        Service.status = status
        answer = api.post("/signup", json=ANN | {"proof": "a human"})
        assert (answer.status_code, answer.json()["code"]) == (503, "signup_check_unavailable")
        assert len(Service.asked) == 1
        Service.status = None
        assert api.post("/signup", json=ANN | {"proof": "a human"}).status_code == 201
    with running_server(tmp_path, signup_check_url="http://localhost:1/") as server, server.client() as api:
        assert api.post("/signup", json=ANN | {"email": "b@example.test"}).json()["code"] == "signup_check_unavailable"
        assert api.post("/login", json=ANN).status_code == 200
