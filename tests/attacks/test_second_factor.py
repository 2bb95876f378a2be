"""Past a second factor: by a used code, by guessing, by another's challenge, by a way in that forgets to ask."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authenticator import Authenticator
from tests.support.factors import bearer, finish, set_up_totp, sign_in
from tests.support.pages import Browser
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer

LIMIT = 10


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


def test_a_code_is_worth_nothing_twice(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Neither the code that was used, in its own time, nor one before it; at sign-in and at step-up alike."""
    application, _ = set_up_totp(server, api, ann)
    assert code_of(finish(api, sign_in(api, ann), code=application.code())) == (403, "invalid_code")
    earlier = application.next_code()
    code = application.next_code()
    done = finish(api, sign_in(api, ann), code=code)
    assert done.status_code == 200
    for old in (code, earlier):
        assert code_of(finish(api, sign_in(api, ann), code=old)) == (403, "invalid_code")
        again = api.post("/reauthenticate", json={"code": old}, headers=bearer(done.json()["token"]))
        assert code_of(again) == (403, "invalid_code")


def test_codes_of_other_times_are_refused(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """One step of delay or drift is allowed (RFC 6238 §5.2), and no more."""
    application, _ = set_up_totp(server, api, ann)
    server.clock.advance(300)
    now = int(server.clock())
    for offset, status in ((-60, 403), (60, 403), (-30, 200), (0, 200), (30, 200)):
        answer = finish(api, sign_in(api, ann), code=application.totp.at(now + offset))
        assert answer.status_code == status, offset


@pytest.mark.parametrize("field", ["code", "recovery_code"])
def test_guessing_codes_meets_pauses(server: RunningServer, api: httpx.Client, ann: dict[str, str], field: str) -> None:
    """Ten wrong ones, over however many challenges; then 429, also for the right one, and longer each time."""
    application, codes = set_up_totp(server, api, ann)
    for _ in range(LIMIT):
        assert finish(api, sign_in(api, ann), **{field: "000000"}).status_code == 403
    right = {"code": application.totp.at(int(server.clock()) + 30), "recovery_code": codes[0]}[field]
    refused = finish(api, sign_in(api, ann), **{field: right})
    assert code_of(refused) == (429, "too_many_attempts")
    assert refused.headers["retry-after"] == "30"
    server.clock.advance(30)
    assert finish(api, sign_in(api, ann), **{field: "000000"}).status_code == 403
    server.clock.advance(59)
    assert finish(api, sign_in(api, ann), **{field: right}).headers["retry-after"] == "1"


def test_a_challenge_is_of_use_once(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Not for a second session, not later than five minutes, and not for anybody else's account."""
    application, codes = set_up_totp(server, api, ann)
    due = sign_in(api, ann)
    assert finish(api, due, code=application.next_code()).status_code == 200
    assert code_of(finish(api, due, recovery_code=codes[0])) == (403, "invalid_challenge")
    late = sign_in(api, ann)
    server.clock.advance(300)
    assert code_of(finish(api, late, code=application.code())) == (403, "invalid_challenge")


def test_a_challenge_cannot_be_made_up(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Nothing but what the server has sealed is one; whatever is changed about it, the answer is the same."""
    application, _ = set_up_totp(server, api, ann)
    challenge = sign_in(api, ann).json()["challenge"]
    raw = bytearray(base64.urlsafe_b64decode(challenge + "=" * (-len(challenge) % 4)))
    forged = ["", "x", "=", challenge[:-4], challenge + "AAAA", challenge * 2, "ü", "\u0000"]
    for position in (0, 1, 13, len(raw) - 1):
        changed = bytes(each ^ (index == position) for index, each in enumerate(raw))
        forged.append(base64.urlsafe_b64encode(changed).decode().rstrip("="))
    code = application.next_code()
    for each in forged:
        for path, body in (("/login/factor", {"code": code}), ("/login/factor/options", {})):
            assert code_of(api.post(path, json={"challenge": each, **body})) == (403, "invalid_challenge"), each
    # Nor is it a token of any other kind.
    assert api.get("/me", headers=bearer(challenge)).status_code == 401
    assert api.post("/refresh", json={"refresh_token": challenge}).status_code == 401


def test_a_challenge_of_another_browser(server: RunningServer, ann: dict[str, str]) -> None:
    """Login CSRF: the attacker's half of a sign-in is not ended in the victim's browser, by call or by form."""
    site = {"origin": server.url, "gatepass-request": "1"}
    with server.client(headers=site) as attacker, server.client(headers=site) as victim, server.client() as api:
        application, _ = set_up_totp(server, api, ann)
        half = sign_in(attacker, ann, cookie=True)
        answer = finish(victim, half, code=application.next_code())
        assert code_of(answer) == (403, "invalid_challenge")
        assert "set-cookie" not in answer.headers
        assert finish(attacker, half, code=application.next_code()).status_code == 200
    with Browser(server) as attacker, Browser(server) as victim:
        assert attacker.sign_in(ann).headers["location"].startswith("/pages/login/factor")
        fields = attacker.fields("/pages/login/factor") | {"code": application.next_code()}
        answer = victim.http.post("/pages/login/factor", data=fields, headers={"origin": server.url})
        assert answer.status_code == 403
        fields |= {"csrf": victim.fields("/pages/login")["csrf"]}
        answer = victim.http.post("/pages/login/factor", data=fields, headers={"origin": server.url})
        assert answer.status_code == 403
        assert victim.refresh().status_code == 401


def test_the_page_is_not_filled_in_from_another_site(server: RunningServer, ann: dict[str, str]) -> None:
    """A form of another origin is refused, with the cookie of the challenge and all."""
    with server.client() as api:
        application, _ = set_up_totp(server, api, ann)
    with Browser(server) as browser:
        browser.sign_in(ann)
        fields = browser.fields("/pages/login/factor") | {"code": application.next_code()}
        answer = browser.http.post("/pages/login/factor", data=fields, headers={"origin": "https://evil.test"})
        assert answer.status_code == 403
        done = browser.http.post("/pages/login/factor", data=fields, headers={"origin": server.url})
        assert (done.status_code, done.headers["location"]) == (303, "/pages/account")


def test_no_way_in_forgets_to_ask(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A code by mail is a first factor as a password is: the second is asked after it too. The owner is told of it."""
    application, _ = set_up_totp(mailing, mail_api, verified_ann)
    told = mailbox.next_to(ANN["email"])
    assert (told.subject, "/pages/lock?" in told.text) == ("A passkey or authenticator app was added", True)
    asked = mail_api.post("/login/email", json={"email": verified_ann["email"]}).json()
    code = mailbox.next_to(ANN["email"], 2).code
    due = mail_api.post("/login/email/code", json={"challenge": asked["challenge"], "code": code})
    assert code_of(due) == (403, "second_factor_required")
    assert finish(mail_api, due, code=application.next_code()).status_code == 200


def test_a_new_password_does_not_get_past_it(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Who reads the owner's mail sets a new password, and is asked for the second factor all the same."""
    application, _ = set_up_totp(mailing, mail_api, verified_ann)
    mailbox.next_to(ANN["email"])
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    reset = {"token": mailbox.next_to(ANN["email"], 2).token, "password": "the thief's own password"}
    assert mail_api.post("/password/reset", json=reset).status_code == 204
    due = sign_in(mail_api, ANN | {"password": reset["password"]})
    assert finish(mail_api, due, code="000000").status_code == 403
    assert finish(mail_api, due, code=application.next_code()).status_code == 200


def test_a_weaker_factor_does_not_stand_in(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Who has only a passkey is not let in by a code, nor by the recovery code of somebody else."""
    authenticator = Authenticator(server.url)
    me = bearer(sign_in(api, ann).json()["token"])
    options = api.post("/account/passkeys/options", headers=me).json()["public_key"]
    api.post("/account/passkeys", json={"credential": authenticator.create(options)}, headers=me)
    bob = ANN | {"email": "bob@example.test"}
    api.post("/signup", json=bob)
    _, codes = set_up_totp(server, api, bob)
    assert finish(api, sign_in(api, ann), code="000000").status_code == 403
    assert finish(api, sign_in(api, ann), recovery_code=codes[0]).status_code == 403
    assert finish(api, sign_in(api, bob), recovery_code=codes[0]).status_code == 200


def test_a_remembered_browser_is_one_persons(server: RunningServer, ann: dict[str, str]) -> None:
    """What another person's browser holds lets nobody past; nor does a cookie that was made up."""
    bob = ANN | {"email": "bob@example.test"}
    site = {"origin": server.url, "gatepass-request": "1"}
    with server.client() as api, server.client(headers=site) as browser:
        api.post("/signup", json=bob)
        set_up_totp(server, api, bob)
        application, _ = set_up_totp(server, api, ann)
        finish(browser, sign_in(browser, ann, cookie=True), code=application.next_code(), remember=True)
        assert sign_in(browser, ann, cookie=True).status_code == 200
        assert sign_in(browser, bob, cookie=True).status_code == 403
        browser.cookies.set(server.cookie("gatepass-device"), "A" * 43, domain="localhost.local")
    with server.client(headers=site | {"cookie": f"{server.cookie('gatepass-device')}=" + "A" * 43}) as other:
        assert sign_in(other, ann, cookie=True).status_code == 403


def test_factors_are_named_after_a_first_proof_only(
    server: RunningServer, api: httpx.Client, ann: dict[str, str]
) -> None:
    """A wrong password gets the same answer with and without factors; passkey options name nobody."""
    set_up_totp(server, api, ann)
    bob = ANN | {"email": "bob@example.test"}
    api.post("/signup", json=bob)
    answers: list[Any] = []
    for email in (ann["email"], bob["email"], "nobody@example.test"):
        answer = sign_in(api, {"email": email, "password": "not the one at all"})
        answers.append((answer.status_code, {**answer.json(), "request_id": ""}))
    assert answers[0] == answers[1] == answers[2]
    options = api.post("/login/passkey/options").json()["public_key"]
    assert options["allowCredentials"] == []


def test_a_closed_account_is_closed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Disabled after the first half, the second is refused; so is a passkey."""
    from gatepass.cli.main import main  # noqa: PLC0415

    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        authenticator = Authenticator(server.url)
        me = bearer(sign_in(api, ANN).json()["token"])
        options = api.post("/account/passkeys/options", headers=me).json()["public_key"]
        api.post("/account/passkeys", json={"credential": authenticator.create(options)}, headers=me)
        due = sign_in(api, ANN)
        asked = api.post("/login/factor/options", json={"challenge": due.json()["challenge"]}).json()["public_key"]
        monkeypatch.setattr("sys.argv", ["gatepass"])
        main(["user", "disable", ANN["email"], "--data-dir", str(tmp_path)])
        assert code_of(finish(api, due, passkey=authenticator.get(asked))) == (403, "account_disabled")
        alone = api.post("/login/passkey/options").json()["public_key"]
        answer = api.post("/login/passkey", json={"credential": authenticator.get(alone)})
        assert code_of(answer) == (403, "account_disabled")
