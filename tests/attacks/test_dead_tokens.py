"""Dead tokens: found on an old device or in an old log, after the sign-in that they belonged to has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx


@pytest.mark.parametrize("kind", ["access token", "refresh token"])
def test_a_dead_token_has_no_power_over_other_sessions(api: httpx.Client, ann: dict[str, str], kind: str) -> None:
    """Whoever holds it cannot sign the person out everywhere, see their sessions or end one: 401, and all live on."""
    old, new = (api.post("/login", json=ann).json() for _ in range(2))
    assert api.post("/logout", json={"refresh_token": old["refresh_token"]}).status_code == 204
    bearer = {"authorization": f"Bearer {old['token']}"}
    if kind == "access token":
        mine = api.get("/sessions", headers={"authorization": f"Bearer {new['token']}"}).json()["sessions"][0]["id"]
        answers = [
            api.post("/logout/all", headers=bearer),
            api.get("/me", headers=bearer),
            api.get("/sessions", headers=bearer),
            api.delete(f"/sessions/{mine}", headers=bearer),
        ]
    else:
        answers = [
            api.post("/logout/all", json={"refresh_token": old["refresh_token"]}),
            api.post("/refresh", json={"refresh_token": old["refresh_token"]}),
        ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "session_ended")}
    assert api.post("/refresh", json={"refresh_token": new["refresh_token"]}).status_code == 200
