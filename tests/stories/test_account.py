"""Somebody looks at their account and at where they are signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.server import NOON

if TYPE_CHECKING:
    import httpx
    from tests.support.server import SettableClock


def bearer(pair: dict[str, str]) -> dict[str, str]:
    """The header of a call."""
    return {"authorization": f"Bearer {pair['token']}"}


def test_me_tells_who_the_token_speaks_for(api: httpx.Client, ann: dict[str, str]) -> None:
    """Id, address, whether it is verified, roles and age of the account; never a word about the password."""
    pair = api.post("/login", json=ann).json()
    answer = api.get("/me", headers=bearer(pair))
    assert answer.status_code == 200
    assert answer.json() == {
        "id": answer.json()["id"],
        "email": "ann@example.test",
        "email_verified": False,
        "roles": [],
        "created_at": int(NOON),
        "name": "",
        "locale": "",
        "metadata": {},
    }
    assert answer.headers["cache-control"] == "no-store"


def test_me_without_a_good_token(api: httpx.Client, ann: dict[str, str], clock: SettableClock) -> None:
    """None: 401 with bare challenges; another scheme: the same; nonsense or an expired one: 401 `invalid_token`.

    There are two challenges, since a token can be sent in two ways (RFC 9449 §7.1).
    """
    pair = api.post("/login", json=ann).json()
    for headers in ({}, {"authorization": "Basic YTpi"}):
        answer = api.get("/me", headers=headers)
        assert answer.status_code == 401
        plain, bound = answer.headers.get_list("www-authenticate")
        assert plain == "Bearer"
        assert bound.startswith('DPoP algs="ES256 ')
        named = bound.rpartition('resource_metadata="')[2].removesuffix('"')  # RFC 9728 §5.1
        assert api.get(named).json()["resource"] == str(api.base_url).rstrip("/")
    clock.advance(900)
    for headers in (bearer({"token": "nonsense"}), bearer(pair)):
        answer = api.get("/me", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_the_sessions_are_listed_most_recent_first(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """Each sign-in with its device, address and times; the call's own is marked."""
    phone = api.post("/login", json=ann, headers={"user-agent": "phone"}).json()
    clock.advance(100)
    laptop = api.post("/login", json=ann, headers={"user-agent": "laptop"}).json()
    clock.advance(100)
    api.post("/refresh", json={"refresh_token": phone["refresh_token"]})
    sessions = api.get("/sessions", headers=bearer(laptop)).json()["sessions"]
    assert [(each["user_agent"], each["current"], each["auth_time"], each["last_seen"]) for each in sessions] == [
        ("phone", False, NOON, NOON + 200),
        ("laptop", True, NOON + 100, NOON + 100),
    ]
    assert {each["address"] for each in sessions} <= {"127.0.0.1", "::1"}


def test_one_session_can_be_ended_from_another(api: httpx.Client, ann: dict[str, str]) -> None:
    """`DELETE /sessions/{id}` answers 204 and that session is over; then it is no longer found or listed."""
    phone, laptop = (api.post("/login", json=ann).json() for _ in range(2))
    listed = api.get("/sessions", headers=bearer(laptop)).json()["sessions"]
    lost = next(each["id"] for each in listed if not each["current"])
    assert api.delete(f"/sessions/{lost}", headers=bearer(laptop)).status_code == 204
    assert api.post("/refresh", json={"refresh_token": phone["refresh_token"]}).json()["code"] == "session_ended"
    assert api.delete(f"/sessions/{lost}", headers=bearer(laptop)).json()["code"] == "session_not_found"
    assert [each["id"] for each in api.get("/sessions", headers=bearer(laptop)).json()["sessions"]] != [lost]


def test_nobody_ends_another_persons_session(api: httpx.Client, ann: dict[str, str]) -> None:
    """Somebody else's session id is answered like one that does not exist, and that session lives on."""
    bob = {"email": "bob@example.test", "password": "bob has a long password"}
    api.post("/signup", json=bob)
    anns, bobs = api.post("/login", json=ann).json(), api.post("/login", json=bob).json()
    ann_session = api.get("/sessions", headers=bearer(anns)).json()["sessions"][0]["id"]
    answer = api.delete(f"/sessions/{ann_session}", headers=bearer(bobs))
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert api.post("/refresh", json={"refresh_token": anns["refresh_token"]}).status_code == 200


def test_a_zero_byte_is_nobodys_name(api: httpx.Client, ann: dict[str, str]) -> None:
    """In a path, a query, JSON or a form: no database knows it, one cannot even be asked, and neither is a defect."""
    token = api.post("/login", json=ann).json()["token"]
    bearer = {"authorization": f"Bearer {token}"}
    answers = [
        api.delete("/sessions/a%00b", headers=bearer),
        api.delete("/account/passkeys/a%00b", headers=bearer),
        api.get("/status/%00"),
        api.get("/pages/reset", params={"token": "a\0b"}),
        api.post("/login", json={"email": "a\0b@example.test", "password": "a\0b"}),
        api.post("/login", json={"email": ann["email"], "password": "a\0b"}),
        api.post("/login", json=ann | {"client_id": "a\0b"}),
        api.post("/login", json=ann | {"audience": ["a\0b"], "scope": "a\0b"}),
        api.post("/login/factor", json={"challenge": "a\0b", "code": "a\0b"}),
        api.post("/refresh", json={"refresh_token": "a\0b"}),
        api.post("/oauth/token", data={"grant_type": "a\0b", "client_id": "a\0b"}),
        api.patch("/account", json={"email": "a\0b@example.test"}, headers=bearer),
    ]
    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    assert api.get("/me", headers=bearer).status_code == 200
