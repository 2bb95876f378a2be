"""Somebody sets up a second factor, and is asked for it from then on, whichever way they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pyotp
import pytest
from tests.support.events import all_events
from tests.support.factors import Application, bearer, finish, set_up_totp, sign_in
from tests.support.pages import Browser
from tests.support.server import ANN, NOON, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


def claims_of(answer: httpx.Response) -> dict[str, object]:
    """The claims of an answer's access token."""
    return dict(jwt.peek(answer.json()["token"]).claims)


def test_a_code_is_asked_after_the_password(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """403 with a challenge and the factors there are; the code brings a token pair that says what was proved."""
    application, codes = set_up_totp(server, api, ann)
    assert len(set(codes)) == 10
    due = sign_in(api, ann)
    assert due.headers["content-type"] == "application/problem+json"
    assert due.json()["factors"] == ["totp", "recovery_code"]
    assert due.json()["expires_in"] == 300
    assert "set-cookie" not in due.headers
    done = finish(api, due, code=application.next_code())
    assert set(done.json()) == {"token", "token_type", "expires_in", "refresh_token"}
    claims = claims_of(done)
    assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("2", ["pwd", "otp", "mfa"], int(NOON) + 30)
    refreshed = api.post("/refresh", json={"refresh_token": done.json()["refresh_token"]})
    assert (claims_of(refreshed)["acr"], claims_of(refreshed)["auth_time"]) == ("2", int(NOON) + 30)


def test_what_was_asked_for_is_what_comes_out(tmp_path: Path) -> None:
    """Client, audience and scope of the first half are the second half's; it cannot ask for more."""
    with running_server(tmp_path, audience=("https://a.test",), scopes=("read", "write")) as server:
        with server.client() as api:
            api.post("/signup", json=ANN)
            application, _ = set_up_totp(server, api, ANN)
            due = sign_in(api, ANN, audience="https://a.test", scope="read")
            done = finish(api, due, code=application.next_code())
            more = finish(api, due, code=application.next_code(), scope="write")
        assert (claims_of(done)["aud"], claims_of(done)["scope"]) == ("https://a.test", "read")
        assert more.status_code == 422


def test_a_recovery_code_stands_in_once(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """However it is typed; a second time it is worth nothing, and new codes replace the old ones."""
    application, codes = set_up_totp(server, api, ann)
    spelled = codes[0].upper().replace("-", " ")
    done = finish(api, sign_in(api, ann), recovery_code=spelled)
    assert done.status_code == 200
    assert claims_of(done)["amr"] == ["pwd", "otp", "mfa"]
    again = finish(api, sign_in(api, ann), recovery_code=codes[0])
    assert (again.status_code, again.json()["code"]) == (403, "invalid_code")
    me = bearer(done.json()["token"])
    assert api.get("/account/factors", headers=me).json()["recovery_codes"] == 9
    new = api.post("/account/recovery-codes", headers=me).json()["recovery_codes"]
    assert not set(new) & set(codes)
    assert finish(api, sign_in(api, ann), recovery_code=codes[1]).status_code == 403
    assert finish(api, sign_in(api, ann), recovery_code=new[1]).status_code == 200
    assert finish(api, sign_in(api, ann), code=application.next_code()).status_code == 200


def test_the_application_is_told_by_a_qr_code(api: httpx.Client, ann: dict[str, str], server: RunningServer) -> None:
    """`otpauth` with issuer and account, the same secret to type, and an SVG of it; nothing is asked before a code."""
    token = sign_in(api, ann).json()["token"]
    first = api.post("/account/totp", headers=bearer(token)).json()
    offered = api.post("/account/totp", headers=bearer(token)).json()
    assert first["secret"] != offered["secret"]
    assert offered["uri"].startswith("otpauth://totp/Gatepass:ann%40example.test?secret=" + offered["secret"])
    assert offered["qr_svg"].startswith("<svg ")
    assert sign_in(api, ann).status_code == 200
    wrong = api.post("/account/totp/confirm", json={"code": "000000"}, headers=bearer(token))
    assert (wrong.status_code, wrong.json()["code"]) == (403, "invalid_code")
    old = api.post(
        "/account/totp/confirm", json={"code": Application(server, first["uri"]).code()}, headers=bearer(token)
    )
    assert old.status_code == 403
    right = Application(server, offered["uri"]).code()
    assert api.post("/account/totp/confirm", json={"code": right}, headers=bearer(token)).status_code == 200
    # The code proved the factor in this session, so its next tokens say so; this one does not yet.
    assert api.post("/account/totp", headers=bearer(token)).json()["code"] == "second_factor_required"


def test_what_is_there_is_not_replaced(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """A second application is refused until the first is removed; removing the last factor ends the asking."""
    application, _ = set_up_totp(server, api, ann)
    me = bearer(finish(api, sign_in(api, ann), code=application.next_code()).json()["token"])
    refused = api.post("/account/totp", headers=me)
    assert (refused.status_code, refused.json()["code"]) == (409, "factor_exists")
    assert api.delete("/account/totp", headers=me).status_code == 204
    assert api.delete("/account/totp", headers=me).status_code == 404
    assert api.post("/account/recovery-codes", headers=me).status_code == 404
    shown = api.get("/account/factors", headers=me).json()
    assert shown == {"totp": None, "passkeys": [], "recovery_codes": 0, "devices": []}
    assert sign_in(api, ann).status_code == 200


def test_factors_are_changed_by_a_fresh_sign_in_only(
    server: RunningServer, api: httpx.Client, ann: dict[str, str]
) -> None:
    """With an old token 401 `recent_sign_in_required`; with one factor of two 403; listing is free."""
    token = bearer(sign_in(api, ann).json()["token"])
    server.clock.advance(server.settings.recent_sign_in_seconds + 1)
    calls = [
        ("POST", "/account/totp"),
        ("DELETE", "/account/totp"),
        ("POST", "/account/recovery-codes"),
        ("POST", "/account/passkeys/options"),
        ("DELETE", "/account/passkeys/psk_1"),
    ]
    for method, path in calls:
        answer = api.request(method, path, headers=token)
        assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required"), path
    assert api.get("/account/factors", headers=token).status_code == 200


def test_a_remembered_browser_is_not_asked(server: RunningServer, ann: dict[str, str]) -> None:
    """In cookie mode, for as long as is set; its tokens say one factor. Forgotten, it is asked again."""
    origin = {"origin": server.url, "gatepass-request": "1"}
    with server.client() as api, server.client(headers=origin) as browser, server.client(headers=origin) as other:
        application, _ = set_up_totp(server, api, ann)
        due = sign_in(browser, ann, cookie=True)
        done = finish(browser, due, code=application.next_code(), remember=True)
        assert done.status_code == 200, done.text
        assert claims_of(done)["acr"] == "2"
        remembered = sign_in(browser, ann, cookie=True)
        assert (claims_of(remembered)["acr"], claims_of(remembered)["amr"]) == ("1", ["pwd"])
        assert sign_in(other, ann, cookie=True).status_code == 403
        # One factor is not enough for what changes who owns the account.
        assert browser.delete("/account/totp", headers=bearer(remembered.json()["token"])).status_code == 403
        me = bearer(remembered.json()["token"])
        (device,) = api.get("/account/factors", headers=me).json()["devices"]
        assert device["user_agent"].startswith("python-httpx")
        assert api.delete(f"/account/devices/{device['id']}", headers=me).status_code == 204
        assert api.delete(f"/account/devices/{device['id']}", headers=me).status_code == 404
        assert sign_in(browser, ann, cookie=True).status_code == 403
        finish(browser, sign_in(browser, ann, cookie=True), code=application.next_code(), remember=True)
        assert sign_in(browser, ann, cookie=True).status_code == 200
        server.clock.advance(server.settings.remember_device_days * 86_400)
        assert sign_in(browser, ann, cookie=True).status_code == 403


def test_a_new_password_forgets_browsers_and_challenges(server: RunningServer, ann: dict[str, str]) -> None:
    """What was half done or remembered under the old password is worth nothing under the new one."""
    origin = {"origin": server.url, "gatepass-request": "1"}
    new = ann | {"password": "another sentence of words"}
    with server.client() as api, server.client(headers=origin) as browser:
        application, _ = set_up_totp(server, api, ann)
        done = finish(browser, sign_in(browser, ann, cookie=True), code=application.next_code(), remember=True)
        half = sign_in(api, ann)
        change = {"password": new["password"]}
        assert api.post("/account/password", json=change, headers=bearer(done.json()["token"])).status_code == 204
        late = finish(api, half, code=application.next_code())
        assert (late.status_code, late.json()["code"]) == (403, "invalid_challenge")
        assert sign_in(browser, new, cookie=True).status_code == 403


def test_with_a_second_factor_a_password_may_be_shorter(
    server: RunningServer, api: httpx.Client, ann: dict[str, str]
) -> None:
    """Fifteen characters alone, eight beside a factor (NIST SP 800-63B-4 §3.1.1.2)."""
    me = bearer(sign_in(api, ann).json()["token"])
    short = {"password": "gr8 frogs"}
    assert api.post("/account/password", json=short, headers=me).json()["code"] == "password_too_short"
    application, _ = set_up_totp(server, api, ann)
    me = bearer(finish(api, sign_in(api, ann), code=application.next_code()).json()["token"])
    assert api.post("/account/password", json={"password": "gr8frog"}, headers=me).status_code == 422
    assert api.post("/account/password", json=short, headers=me).status_code == 204
    # Which the factor holds fast, until the password can stand alone.
    refused = api.delete("/account/totp", headers=me)
    assert (refused.status_code, refused.json()["code"]) == (422, "password_too_short")
    long = {"password": "another sentence of words"}
    assert api.post("/account/password", json=long, headers=me).status_code == 204
    assert api.delete("/account/totp", headers=me).status_code == 204


def test_proving_again_brings_a_token_that_says_so(
    server: RunningServer, api: httpx.Client, ann: dict[str, str]
) -> None:
    """By password without a second factor: new `auth_time`, same session, `acr` 1; refreshed tokens say it too."""
    first = sign_in(api, ann)
    server.clock.advance(3_600)
    wrong = api.post("/reauthenticate", json={"password": "not the one at all"}, headers=bearer(first.json()["token"]))
    assert wrong.status_code == 401  # the access token has expired by now
    token = api.post("/refresh", json={"refresh_token": first.json()["refresh_token"]}).json()["token"]
    wrong = api.post("/reauthenticate", json={"password": "not the one at all"}, headers=bearer(token))
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    again = api.post("/reauthenticate", json={"password": ann["password"]}, headers=bearer(token))
    assert set(again.json()) == {"token", "token_type", "expires_in"}
    before, after = claims_of(first), claims_of(again)
    assert (after["auth_time"], after["acr"], after["amr"]) == (int(NOON) + 3_600, "1", ["pwd"])
    assert (after["sid"], after["status"]) == (before["sid"], before["status"])
    assert api.get("/me", headers=bearer(again.json()["token"])).status_code == 200
    refreshed = api.post("/refresh", json={"refresh_token": first.json()["refresh_token"]})
    assert claims_of(refreshed)["auth_time"] == int(NOON) + 3_600


def test_stepping_up_from_one_factor_to_two(server: RunningServer, ann: dict[str, str]) -> None:
    """In a session that a remembered browser began, the code raises `acr`; the password alone is not enough."""
    origin = {"origin": server.url, "gatepass-request": "1"}
    with server.client() as api, server.client(headers=origin) as browser:
        application, _ = set_up_totp(server, api, ann)
        finish(browser, sign_in(browser, ann, cookie=True), code=application.next_code(), remember=True)
        me = bearer(sign_in(browser, ann, cookie=True).json()["token"])
        refused = browser.post("/reauthenticate", json={"password": ann["password"]}, headers=me)
        assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
        again = browser.post("/reauthenticate", json={"code": application.next_code()}, headers=me)
        assert (claims_of(again)["acr"], claims_of(again)["amr"]) == ("2", ["pwd", "otp", "mfa"])
        assert claims_of(browser.post("/refresh"))["acr"] == "2"
        assert browser.delete("/account/totp", headers=bearer(again.json()["token"])).status_code == 204


@pytest.mark.parametrize(
    "proof",
    [{}, {"password": "x" * 20, "code": "123456"}, {"code": "1", "recovery_code": "2"}, {"passkey": {}, "code": "1"}],
)
def test_one_proof_at_a_time(api: httpx.Client, ann: dict[str, str], proof: dict[str, object]) -> None:
    """None, or two at once, is no proof."""
    me = bearer(sign_in(api, ann).json()["token"])
    answer = api.post("/reauthenticate", json=proof, headers=me)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_everything_is_recorded(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Added, refused with the reason, used, removed; no event holds a code."""
    application, codes = set_up_totp(server, api, ann)
    finish(api, sign_in(api, ann), code="000000")
    code = application.next_code()
    token = finish(api, sign_in(api, ann), code=code).json()["token"]
    finish(api, sign_in(api, ann), code=code)
    finish(api, sign_in(api, ann), recovery_code=codes[0])
    api.post("/reauthenticate", json={"code": application.next_code()}, headers=bearer(token))
    api.delete("/account/totp", headers=bearer(token))
    events = all_events(server)
    told = [(event.kind, event.reason) for event in events if event.user_id]
    assert told == [
        ("account_created", ""),
        ("signed_in", "pwd"),
        ("factor_added", "totp"),
        ("sign_in_refused", "wrong_code"),
        ("signed_in", "pwd otp mfa"),
        ("sign_in_refused", "code_used"),
        ("recovery_code_used", ""),
        ("signed_in", "pwd otp mfa"),
        ("proved_again", "otp mfa"),
        ("factor_removed", "totp"),
    ]
    assert code not in repr(events)
    assert codes[0] not in repr(events)


def test_secrets_are_not_in_the_database(tmp_path: Path) -> None:
    """Neither the application's secret, nor a recovery code, nor what a remembered browser holds, in any spelling."""
    with running_server(tmp_path) as server, server.client(headers={"origin": ""}) as api:
        api.post("/signup", json=ANN)
        application, codes = set_up_totp(server, api, ANN)
        done = finish(api, sign_in(api, ANN), code=application.next_code())
        assert done.status_code == 200
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("gatepass.db*"))
    secret = application.totp.secret
    assert secret.encode() not in stored
    assert pyotp.TOTP(secret).byte_secret() not in stored
    for code in codes:
        assert code.encode() not in stored
        assert code.replace("-", "").encode() not in stored


def test_erasing_somebody_takes_their_factors(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """An account with factors is deleted like any other; whoever comes after starts with none."""
    application, _ = set_up_totp(server, api, ann)
    me = bearer(finish(api, sign_in(api, ann), code=application.next_code()).json()["token"])
    assert api.delete("/account", headers=me).status_code == 204
    assert api.post("/signup", json=ann).status_code == 201
    assert sign_in(api, ann).status_code == 200


def test_codes_asked_at_once_count_once(server: RunningServer, ann: dict[str, str]) -> None:
    """Of many who send the same code at the same moment, one signs in."""
    import httpx  # noqa: PLC0415

    with server.client() as api:
        application, _ = set_up_totp(server, api, ann)
        challenges = [sign_in(api, ann).json()["challenge"] for _ in range(8)]
    code = application.next_code()

    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as api:
            sent = [api.post("/login/factor", json={"challenge": each, "code": code}) for each in challenges]
            return sorted(answer.status_code for answer in await asyncio.gather(*sent))

    assert asyncio.run(race()) == [200, *[403] * 7]


def test_what_owns_the_account_needs_both_factors(server: RunningServer, ann: dict[str, str]) -> None:
    """In a session that a remembered browser began with one, nothing of this is changed before the other is proved."""
    origin = {"origin": server.url, "gatepass-request": "1"}
    with server.client() as api, server.client(headers=origin) as browser:
        application, _ = set_up_totp(server, api, ann)
        finish(browser, sign_in(browser, ann, cookie=True), code=application.next_code(), remember=True)
        me = bearer(sign_in(browser, ann, cookie=True).json()["token"])
        calls = [
            ("POST", "/account/password", {"password": "another sentence of words"}),
            ("POST", "/account/email", {"email": "new@example.test"}),
            ("DELETE", "/account", None),
            ("GET", "/account/export", None),
        ]
        for method, path, body in calls:
            answer = browser.request(method, path, json=body, headers=me)
            assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required"), path


def test_the_operator_helps_who_has_lost_everything(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`gatepass user reset-factors`: sessions are ended, and the password alone signs in again."""
    application, _ = set_up_totp(server, api, ann)
    me = bearer(finish(api, sign_in(api, ann), code=application.next_code()).json()["token"])
    main(["user", "reset-factors", ann["email"], "--data-dir", server.settings.data_dir])
    assert "2 sessions ended" in capsys.readouterr().err
    assert api.get("/me", headers=me).status_code == 401
    assert sign_in(api, ann).status_code == 200


def test_a_refused_form_shows_what_there_is(server: RunningServer, ann: dict[str, str]) -> None:
    """Something that is gone, or nothing to remove: the page says so and keeps its forms."""
    with Browser(server) as browser:
        browser.sign_in(ann)
        for path in ("totp/remove", "passkeys/remove", "passkeys/rename", "devices/forget", "recovery-codes"):
            answer = browser.post(f"/pages/account/{path}", at="/pages/account/factors", id="x", name="y")
            assert answer.status_code == 404, path
            assert "no longer exists" in answer.text
            assert "Authenticator app" in answer.text
