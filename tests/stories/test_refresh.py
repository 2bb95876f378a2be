"""Tokens are refreshed: the table of what a presented serial means, over HTTP and on a clock that the test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server import ANN, NOON, SettableClock, running_server

from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import pytest

QUIET, GRACE = 60, 30


def login(api: httpx.Client) -> str:
    """Sign in; the refresh token."""
    token: str = api.post("/login", json=ANN).json()["refresh_token"]
    return token


def refresh(api: httpx.Client, token: str) -> httpx.Response:
    """Present a refresh token in a body."""
    return api.post("/refresh", json={"refresh_token": token})


def refreshed(api: httpx.Client, token: str) -> str:
    """Present a refresh token that must be taken; the one that comes back."""
    answer = refresh(api, token)
    assert answer.status_code == 200, answer.text
    back: str = answer.json()["refresh_token"]
    return back


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["code"]


def test_a_refresh_gives_a_new_pair_of_the_same_session(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """After the quiet time both tokens are new; subject, session, client and sign-in time stay."""
    before = api.post("/login", json=ann).json()
    clock.advance(QUIET)
    answer = refresh(api, before["refresh_token"])
    after = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert after["refresh_token"] != before["refresh_token"]
    old, new = jwt.peek(before["token"]).claims, jwt.peek(after["token"]).claims
    assert new["jti"] != old["jti"]
    assert new["iat"] == NOON + QUIET
    assert {**new, "jti": "", "iat": 0, "exp": 0} == {**old, "jti": "", "iat": 0, "exp": 0}


def test_within_the_quiet_time_the_current_token_stays(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """Other tabs and reloads get the same refresh token again, and a new access token each."""
    token = login(api)
    clock.advance(QUIET - 1)
    assert refreshed(api, token) == refreshed(api, token) == token


def test_the_token_before_is_taken_within_the_grace_of_the_last_answer(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """A tab that was a moment late gets the token that is current."""
    old = login(api)
    clock.advance(QUIET)
    current = refreshed(api, old)
    clock.advance(GRACE)
    assert refreshed(api, old) == current


def test_a_lost_answer_logs_nobody_out(api: httpx.Client, ann: dict[str, str], clock: SettableClock) -> None:
    """Whoever comes back much later with the token before gets on; the token that never arrived is dead."""
    old = login(api)
    clock.advance(QUIET)
    lost = refreshed(api, old)
    clock.advance(3_600)
    reissued = refreshed(api, old)
    assert reissued not in (old, lost)
    clock.advance(QUIET)
    following = refreshed(api, reissued)
    assert following != reissued


def test_a_stolen_token_ends_the_session_for_thief_and_owner(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """When the token of a lost answer turns up after all, two parties hold the grant: `refresh_token_reused`."""
    old = login(api)
    clock.advance(QUIET)
    stolen = refreshed(api, old)
    clock.advance(3_600)
    owners = refreshed(api, old)
    assert refusal(refresh(api, stolen)) == (401, "refresh_token_reused")
    assert refusal(refresh(api, owners)) == (401, "session_ended")
    assert refusal(refresh(api, old)) == (401, "session_ended")


def test_a_theft_kills_the_sessions_access_to_the_server(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """The refusal is answered after the commit: the session's access token is refused at `/me` from then on."""
    pair = api.post("/login", json=ann).json()
    headers = {"authorization": f"Bearer {pair['token']}"}
    old = pair["refresh_token"]
    clock.advance(QUIET)
    refreshed(api, old)
    clock.advance(QUIET)
    current = refreshed(api, refreshed(api, old))
    assert api.get("/me", headers=headers).status_code == 200
    clock.advance(QUIET)
    refreshed(api, current)
    assert refusal(refresh(api, old)) == (401, "refresh_token_reused")
    assert refusal(api.get("/me", headers=headers)) == (401, "session_ended")


def test_a_session_ends_when_idle(tmp_path: Path) -> None:
    """A grant that nobody refreshes for `session_idle_seconds` is over; one that is refreshed before lives on."""
    clock = SettableClock()
    with running_server(tmp_path, clock, session_idle_seconds=1_000) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = login(api)
        clock.advance(999)
        token = refreshed(api, token)
        clock.advance(1_000)
        assert refusal(refresh(api, token)) == (401, "session_ended")


def test_a_session_ends_at_its_age_and_no_token_outlives_it(tmp_path: Path) -> None:
    """After `session_max_seconds` no refresh helps, and the last access token ends with the session."""
    clock = SettableClock()
    with running_server(tmp_path, clock, session_max_seconds=1_000) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = login(api)
        clock.advance(900)
        last = refresh(api, token).json()
        assert jwt.peek(last["token"]).claims["exp"] == NOON + 1_000
        assert last["expires_in"] == 100
        clock.advance(100)
        assert refusal(refresh(api, last["refresh_token"])) == (401, "session_ended")


def test_what_is_no_token_of_ours_is_refused(api: httpx.Client, ann: dict[str, str], subtests: pytest.Subtests) -> None:
    """Nothing, anything, a cut one, one changed character, another spelling: `invalid_refresh_token`."""
    good = login(api)
    changed = good[:50] + ("A" if good[50] != "A" else "B") + good[51:]
    for bad in ("", "x", good[:-1], changed, good + "=", "eyJhbGciOiJub25lIn0.e30."):
        with subtests.test(bad):
            assert refusal(refresh(api, bad)) == (401, "invalid_refresh_token")
            assert refreshed(api, good) == good


def test_without_a_token_there_is_nothing_to_refresh(api: httpx.Client) -> None:
    """No body and no cookie: 401 `missing_refresh_token`."""
    assert refusal(api.post("/refresh")) == (401, "missing_refresh_token")
    assert refusal(api.post("/refresh", json={})) == (401, "missing_refresh_token")


def test_roles_given_later_come_with_the_next_refresh(tmp_path: Path) -> None:
    """A refresh reads the person's roles anew; here an operator gives one while the session lives."""
    from gatepass.cli.main import main  # noqa: PLC0415

    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = login(api)
        main(["user", "role", ANN["email"], "admin", "--data-dir", str(tmp_path)])
        claims = jwt.peek(refresh(api, token).json()["token"]).claims
    assert claims["roles"] == ["admin"]
