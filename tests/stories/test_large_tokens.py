"""Tokens that servers would not take in a header are not issued, and those on the way there are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.server import ANN

from gatepass.cli.main import main

if TYPE_CHECKING:
    import httpx
    import pytest
    from tests.support.server import RunningServer


class Giving:
    """Gives Ann roles of sixty letters."""

    def __init__(self, server: RunningServer, api: httpx.Client) -> None:
        self.server, self.api = server, api
        self.client = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")

    def have(self, count: int) -> None:
        """Let her have so many, the last of them by the command line."""
        form = {"grant_type": "client_credentials", "scope": "admin:write"}
        ops = bearer(self.api.post("/oauth/token", data=form, headers=self.client.basic).json()["access_token"])
        (ann,) = self.api.get("/admin/users", params={"search": ANN["email"]}, headers=ops).json()["users"]
        roles = [f"{number:060d}" for number in range(count)]
        changed = self.api.patch(f"/admin/users/{ann['id']}", json={"roles": roles[:-1]}, headers=ops)
        assert changed.status_code == 200, changed.text
        main(["user", "role", ANN["email"], roles[-1], *self.server.place])


def test_a_token_of_many_roles(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Over 4 KiB: warned of, once, and when the role is given. Over 7 KiB: refused, at login and refresh, with why."""
    giving = Giving(server, api)
    pair = api.post("/login", json=ann).json()
    giving.have(45)
    assert "a token of over 7 KiB is not issued" in capsys.readouterr().err
    for _ in range(3):
        assert 4_096 < len(api.post("/login", json=ann).json()["token"]) < 7_168
    giving.have(90)
    assert capsys.readouterr().out.count("tokens become large") == 1
    server.clock.advance(61)
    for refused in (api.post("/login", json=ann), api.post("/refresh", json={"refresh_token": pair["refresh_token"]})):
        assert (refused.status_code, refused.json()["code"]) == (403, "token_too_large")
    assert "8 KiB" in capsys.readouterr().out
    giving.have(45)
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
