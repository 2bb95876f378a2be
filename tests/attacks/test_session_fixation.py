"""Session fixation: an attacker's cookie is in the browser before its owner signs in (RFC 6265bis §8.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from gatepass.jose import jwt

if TYPE_CHECKING:
    from tests.support.server import RunningServer

EVE = {"email": "eve@example.test", "password": "eve has a long password"}


def test_a_sign_in_never_goes_on_with_a_cookie_that_was_there(server: RunningServer, ann: dict[str, str]) -> None:
    """It opens a session of its own and replaces the cookie; the planted one stays the attacker's, and only that."""
    page = {"origin": server.url, "gatepass-request": "1"}
    with (
        httpx.Client(base_url=server.url, headers=page) as eve,
        httpx.Client(base_url=server.url, headers=page) as ann_s,
    ):
        eve.post("/signup", json=EVE)
        theirs = eve.post("/login", json=EVE | {"cookie": True}).json()
        ann_s.cookies.update(eve.cookies)
        hers = ann_s.post("/login", json=ann | {"cookie": True}).json()
        assert ann_s.cookies[server.cookie()] != eve.cookies[server.cookie()]
        mine, planted = (jwt.peek(pair["token"]).claims for pair in (hers, theirs))
        assert mine["sid"] != planted["sid"]
        after = [jwt.peek(client.post("/refresh").json()["token"]).claims for client in (ann_s, eve)]
    assert [claims["sub"] for claims in after] == [mine["sub"], planted["sub"]]
    assert [claims["sid"] for claims in after] == [mine["sid"], planted["sid"]]
