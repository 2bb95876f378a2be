"""The API's own description held against the server: requests are made from /openapi.json, and answers read by it.

Pages are not in it. Those of OAuth that anyone can send parameters to are described here, by the same parameters.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.operators import add_operator
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN, running_server

from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
EVERY_RIGHT = "admin:read admin:write admin:impersonate"
OF_CLIENTS = ("/oauth/device", "/oauth/par", "/oauth/token", "/oauth/revoke", "/oauth/introspect")
PAGES = ("/oauth/authorize", "/oauth/logout", "/device", "/pages/device")
EXAMPLES = 4
"""Of each call and mode; fifty times as many in `make soak`."""


class Callers:
    """Whoever may make a call: each call has its own, so that what one ends is not missing to the next."""

    def __init__(self, server: RunningServer, client: httpx.Client) -> None:
        self._client = client
        self._numbers = itertools.count()
        self.party = add_relying_party(
            server,
            audience=("https://orders.example.test",),
            grant_types=("authorization_code", "refresh_token", "client_credentials", GRANT_TYPE),
        )
        assert client.post("/signup", json=ANN).status_code == 201
        self._operator = add_operator(server, "olga@example.test")

    def of(self, path: str) -> Caller:
        """Who makes this call."""
        if path in OF_CLIENTS:
            return Client(self.party)
        if path == "/oauth/userinfo":
            return Caller(self.party.sign_in(self._client)["access_token"])
        if path.startswith("/admin"):
            return Caller(self._operator.token(self._client, EVERY_RIGHT))
        if path.startswith("/oauth/register"):
            made = self._client.post("/oauth/register", json={"redirect_uris": [CALLBACK]}).json()
            return Registered(made["registration_access_token"], made["client_id"])
        person = {"email": f"p{next(self._numbers)}@example.test", "password": ANN["password"]}
        assert self._client.post("/signup", json=person).status_code == 201
        return Caller(self._client.post("/login", json=person).json()["token"])


class Caller:
    """Somebody who has a token."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, case: schemathesis.Case[Any], *, is_known: bool) -> Any:  # noqa: ANN401 - schemathesis' answer
        """Make the call; `is_known` says whether what is generated may be replaced by what is true."""
        if is_known:
            self.put_truth(case)
        return case.call(headers=self._headers, allow_redirects=False)

    def put_truth(self, case: schemathesis.Case[Any]) -> None:
        """Put in what nobody can generate."""


class Registered(Caller):
    """A client that has registered itself."""

    def __init__(self, token: str, client_id: str) -> None:
        super().__init__(token)
        self._client_id = client_id

    def put_truth(self, case: schemathesis.Case[Any]) -> None:
        """Its own address."""
        if "client_id" in case.path_parameters:
            case.path_parameters["client_id"] = self._client_id


class Client(Caller):
    """A client that proves itself in the form."""

    def __init__(self, party: RelyingParty) -> None:
        super().__init__("")
        self._headers = {}
        self._party = party

    def put_truth(self, case: schemathesis.Case[Any]) -> None:
        """Its id and secret, and its redirect URI where one is sent."""
        if isinstance(case.body, dict):
            for name in ("client_assertion", "client_assertion_type"):
                case.body.pop(name, None)
            case.body |= self._party.credentials
            case.body |= {"redirect_uri": CALLBACK} if "redirect_uri" in case.body else {}


@contextmanager
def described(tmp_path: Path) -> Generator[tuple[Callers, schemathesis.BaseSchema, httpx.Client]]:
    """A server where anyone may sign up and register, and what it says of itself."""
    serving = running_server(tmp_path, dynamic_registration="open", impersonation=True, signups_per_address=10_000)
    with serving as server, server.client() as client:
        yield Callers(server, client), schemathesis.openapi.from_url(f"{server.url}/openapi.json"), client


def operations(schema: schemathesis.BaseSchema) -> Generator[Any]:
    """Every call of a description whose answer ends."""
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        if result.ok().path != "/revocations":
            yield result.ok()


@pytest.mark.soak
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_as_described(
    mode: GenerationMode, tmp_path: Path, effort: int, subtests: pytest.Subtests
) -> None:
    """Whatever is sent to a call, what comes back is among the answers that the description lists, and never a 500.

    Where the request breaks the description, it is refused.
    """
    called = 0
    with described(tmp_path) as (callers, schema, _):
        for operation in operations(schema):
            assert any(status.startswith("2") for status in operation.responses.status_codes), operation.label
            if not operation.body and not operation.path_parameters and mode is GenerationMode.NEGATIVE:
                continue  # there is nothing to get wrong
            caller = callers.of(operation.path)
            may_be_known = st.booleans() if mode is GenerationMode.POSITIVE else st.just(value=False)

            @settings(max_examples=EXAMPLES * effort, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode), is_known=may_be_known)
            def call(case: schemathesis.Case[Any], *, is_known: bool) -> None:
                case.validate_response(caller.call(case, is_known=is_known), checks=CHECKS)  # noqa: B023 - called below

            with subtests.test(operation.label):
                call()
            called += 1
    assert called >= 5


@pytest.mark.soak
def test_whatever_is_sent_to_a_page(tmp_path: Path, effort: int, subtests: pytest.Subtests) -> None:
    """The pages that anyone can lead a browser to answer with a page or lead on, by either method; never a 500."""
    with described(tmp_path) as (callers, _, client), Browser(callers.party.server) as browser:
        browser.sign_in(ANN)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.http.cookies.jar)
        schema = of_pages(client.get("/openapi.json").json())
        schema.config.update(base_url=browser.server.url)
        for operation in operations(schema):

            @settings(max_examples=EXAMPLES * effort, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(), is_known=st.booleans(), is_ours=st.booleans())
            def call(case: schemathesis.Case[Any], *, is_known: bool, is_ours: bool) -> None:
                sent = case.query or case.body
                if is_known and isinstance(sent, dict):
                    sent |= {"client_id": callers.party.id, "redirect_uri": CALLBACK}
                headers = {"Cookie": cookies, "Origin": browser.server.url if is_ours else "https://evil.test"}
                answer = case.call(headers=headers, allow_redirects=False)
                case.validate_response(answer, checks=[not_a_server_error, status_code_conformance])

            with subtests.test(operation.label):
                call()


def of_pages(document: dict[str, Any]) -> schemathesis.BaseSchema:
    """A description of those pages: the parameters of a pushed request, and those of a logout and of a device."""
    pushed = document["components"]["schemas"]["PushedForm"]["properties"]
    more = ("id_token_hint", "post_logout_redirect_uri", "logout_hint", "user_code", "decision")
    texts = {name: {"type": "string"} for name in (*pushed, *more)}
    query = [{"name": name, "in": "query", "schema": schema} for name, schema in texts.items()]
    form = {"type": "object", "properties": texts}
    body = {"content": {"application/x-www-form-urlencoded": {"schema": form}}, "required": True}
    answers = {str(status): {"description": ""} for status in (200, 303, 400, 403, 405, 413, 429)}
    methods = {"get": {"parameters": query, "responses": answers}, "post": {"requestBody": body, "responses": answers}}
    return schemathesis.openapi.from_dict(
        {"openapi": "3.1.0", "info": {"title": "pages", "version": "1"}, "paths": dict.fromkeys(PAGES, methods)}
    )
