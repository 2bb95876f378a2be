"""Tokens that servers would not take in a header are not issued, and those on the way there are told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server import ANN

from gatepass.cli.main import main

if TYPE_CHECKING:
    import httpx
    import pytest
    from tests.support.server import RunningServer


def give(server: RunningServer, count: int, width: int) -> None:
    """Give Ann so many roles of so many letters."""
    for number in range(count):
        main(["user", "role", ANN["email"], f"{number:0{width}d}", *server.place])


def test_a_token_of_many_roles(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Over 4 KiB: warned of, once, and when the role is given. Over 7 KiB: refused, at login and refresh, with why."""
    pair = api.post("/login", json=ann).json()
    give(server, 45, 60)
    assert "a token of over 7 KiB is not issued" in capsys.readouterr().err
    for _ in range(3):
        assert 4_096 < len(api.post("/login", json=ann).json()["token"]) < 7_168
    assert capsys.readouterr().out.count("tokens become large") == 1
    give(server, 90, 60)
    capsys.readouterr()
    server.clock.advance(61)
    for refused in (api.post("/login", json=ann), api.post("/refresh", json={"refresh_token": pair["refresh_token"]})):
        assert (refused.status_code, refused.json()["code"]) == (403, "token_too_large")
    assert "8 KiB" in capsys.readouterr().out
    for number in range(45, 90):
        main(["user", "role", ANN["email"], f"{number:060d}", "--remove", *server.place])
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
