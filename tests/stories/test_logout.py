"""Somebody logs out: by an access token, by the refresh token, or by the cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


@pytest.mark.parametrize("by", ["access token", "refresh token"])
def test_logout_kills_the_refresh_token_at_once(api: httpx.Client, ann: dict[str, str], by: str) -> None:
    """204, and then neither the refresh token nor the access token gets anything here; other sessions live on."""
    pair, other = (api.post("/login", json=ann).json() for _ in range(2))
    bearer = {"authorization": f"Bearer {pair['token']}"}
    if by == "access token":
        answer = api.post("/logout", headers=bearer)
    else:
        answer = api.post("/logout", json={"refresh_token": pair["refresh_token"]})
    assert (answer.status_code, answer.content) == (204, b"")
    dead = api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
    assert (dead.status_code, dead.json()["code"]) == (401, "session_ended")
    assert api.get("/me", headers=bearer).json()["code"] == "session_ended"
    assert api.post("/refresh", json={"refresh_token": other["refresh_token"]}).status_code == 200


def test_logout_of_a_session_that_has_ended_is_no_error(api: httpx.Client, ann: dict[str, str]) -> None:
    """Saying it twice answers 204 twice."""
    token = api.post("/login", json=ann).json()["refresh_token"]
    assert [api.post("/logout", json={"refresh_token": token}).status_code for _ in range(2)] == [204, 204]


def test_logout_everywhere_ends_all_sessions_of_this_person_only(api: httpx.Client, ann: dict[str, str]) -> None:
    """`/logout/all` ends every session of the caller's; another person's lives on."""
    bob = {"email": "bob@example.test", "password": "bob has a long password"}
    api.post("/signup", json=bob)
    anns = [api.post("/login", json=ann).json() for _ in range(3)]
    bobs = api.post("/login", json=bob).json()
    assert api.post("/logout/all", headers={"authorization": f"Bearer {anns[0]['token']}"}).status_code == 204
    for pair in anns:
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["code"] == "session_ended"
    assert api.post("/refresh", json={"refresh_token": bobs["refresh_token"]}).status_code == 200


def test_logout_needs_to_know_whose_session(api: httpx.Client) -> None:
    """No token at all: 401 with a bare challenge; a forged one: 401 with its code."""
    nothing = api.post("/logout")
    assert (nothing.status_code, nothing.json()["code"]) == (401, "missing_token")
    assert nothing.headers["www-authenticate"] == "Bearer"
    forged = api.post("/logout", json={"refresh_token": "gpr_" + "A" * 110})
    assert (forged.status_code, forged.json()["code"]) == (401, "invalid_refresh_token")
