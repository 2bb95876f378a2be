"""Organizations over HTTP: an operator's client, people, and what their tokens say."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.server import ANN

from gatepass.jose import jwt

if TYPE_CHECKING:
    import httpx
    from tests.support.commands import Registered
    from tests.support.server import RunningServer


class Person:
    """A person who has signed up, and the tokens of their sign-in."""

    def __init__(self, api: httpx.Client, given: dict[str, str] | None = None) -> None:
        self.api = api
        self.given = given or ANN | {"email": f"{secrets.token_hex(4)}@example.test"}
        if given is None:
            assert api.post("/signup", json=self.given).status_code == 201
        self.sign_in()

    def sign_in(self, **more: object) -> httpx.Response:
        """Sign in anew."""
        answer = self.api.post("/login", json=self.given | more)
        if answer.status_code == 200:
            self.pair = answer.json()
        return answer

    def refresh(self, **more: object) -> httpx.Response:
        """Refresh; a refusal leaves the tokens as they are."""
        answer = self.api.post("/refresh", json={"refresh_token": self.pair["refresh_token"]} | more)
        if answer.status_code == 200:
            self.pair = answer.json()
        return answer

    @property
    def id(self) -> str:
        """Their id."""
        return str(self.claims["sub"])

    @property
    def claims(self) -> dict[str, Any]:
        """Of the last token."""
        return dict(jwt.peek(self.pair["token"]).claims)

    @property
    def header(self) -> dict[str, str]:
        """Of a request."""
        return bearer(self.pair["token"])

    @property
    def is_let_in(self) -> bool:
        """Whether the last token is still good at this server."""
        return self.api.get("/me", headers=self.header).status_code == 200


@dataclass
class Operating:
    """An operator's client."""

    api: httpx.Client
    client: Registered

    @classmethod
    def at(cls, server: RunningServer, api: httpx.Client) -> Operating:
        """A new one."""
        return cls(api, add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write"))

    @cached_property
    def header(self) -> dict[str, str]:
        """Of a request, for five minutes."""
        form = {"grant_type": "client_credentials", "scope": "admin:write"}
        answer = self.api.post("/oauth/token", data=form, headers=self.client.basic).json()
        return bearer(answer["access_token"])

    def call(self, method: str, path: str, **body: object) -> httpx.Response:
        """Call below `/admin/organizations`."""
        return self.api.request(method, f"/admin/organizations{path}", json=body or None, headers=self.header)

    def add(self, slug: str = "", **more: object) -> str:
        """Add an organization; its id."""
        slug = slug or f"org-{secrets.token_hex(4)}"
        made = self.call("POST", "", slug=slug, name=slug.title(), **more)
        assert made.status_code == 201, made.text
        return str(made.json()["id"])

    def join(self, organization: str, person: Person, *roles: str) -> None:
        """Make a person a member."""
        made = self.call("POST", f"/{organization}/members", user=person.id, roles=roles)
        assert made.status_code == 201, made.text
