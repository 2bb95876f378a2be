"""Operators in person: made by the command line, with an authenticator app, and tokens for `/admin`."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.support.factors import Application, bearer, finish, sign_in

from gatepass.cli.main import main

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer

RIGHTS = "admin:read admin:write"


class OperatorInPerson(NamedTuple):
    """An operator, and what they sign in with."""

    id: str
    credentials: dict[str, str]
    app: Application

    def token(self, api: httpx.Client, scope: str = RIGHTS) -> str:
        """An operator's token, by password and authenticator app."""
        answer = finish(api, sign_in(api, self.credentials, scope=scope), code=self.app.next_code())
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["token"]
        return token


def printed(server: RunningServer, *words: str, stdin: str = "") -> dict[str, Any]:
    """What a command prints as JSON."""
    with redirect_stdout(io.StringIO()) as said, pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(stdin))
        main([*words, "--json", *server.place])
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def enroll(server: RunningServer, api: httpx.Client, person: dict[str, str], code: str) -> Application:
    """Set up an authenticator app with an operator's code."""
    token = sign_in(api, person).json()["token"]
    offered = api.post("/account/totp", json={"enrollment_code": code}, headers=bearer(token))
    assert offered.status_code == 201, offered.text
    app = Application(server, offered.json()["uri"])
    assert api.post("/account/totp/confirm", json={"code": app.code()}, headers=bearer(token)).status_code == 200
    return app


def add_operator(server: RunningServer, email: str) -> OperatorInPerson:
    """Make one, who enrolls an authenticator app with the code that the command printed."""
    credentials = {"email": email, "password": "correct horse battery"}
    made = printed(server, "user", "add", email, "--operator", stdin=f"{credentials['password']}\n")
    with server.client() as api:
        app = enroll(server, api, credentials, made["enrollment_code"])
    return OperatorInPerson(made["id"], credentials, app)
