"""What people change about their accounts: address, password, a copy of everything, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.events import all_events
from tests.support.pages import Browser
from tests.support.server import ANN, OUTBOX

if TYPE_CHECKING:
    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer

NEW_ADDRESS = "ann.new@example.test"
NEW_PASSWORD = "another sentence of words"


def bearer(api: httpx.Client, person: dict[str, str] = ANN) -> dict[str, str]:
    """Sign in; the header of a call."""
    return {"authorization": f"Bearer {api.post('/login', json=person).json()['token']}"}


def test_a_change_of_address_tells_both(mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """Nothing changes before the new address answers; then it signs in, and both addresses hear of it."""
    headers = bearer(mail_api)
    answer = mail_api.post("/account/email", json={"email": NEW_ADDRESS}, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"email": NEW_ADDRESS})
    token = mailbox.next_to(NEW_ADDRESS).token
    assert mail_api.get("/me", headers=headers).json()["email"] == ANN["email"]
    confirmed = mail_api.post("/account/email/confirm", json={"token": token}, headers=headers)
    assert confirmed.status_code == 204
    me = mail_api.get("/me", headers=headers).json()
    assert (me["email"], me["email_verified"]) == (NEW_ADDRESS, True)
    assert mail_api.post("/login", json=verified_ann | {"email": NEW_ADDRESS}).status_code == 200
    assert mail_api.post("/login", json=verified_ann).status_code == 401
    assert mailbox.next_to(ANN["email"]).subject == "Your email address was changed"
    assert mailbox.next_to(NEW_ADDRESS, 2).subject == "Your email address was changed"


def test_the_old_address_takes_the_account_back(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """A thief moves the account to an address of theirs; the owner's link locks it and puts the address back."""
    headers = bearer(mail_api)
    thiefs = "thief@example.test"
    mail_api.post("/account/email", json={"email": thiefs}, headers=headers)
    token = mailbox.next_to(thiefs).token
    assert mail_api.post("/account/email/confirm", json={"token": token}, headers=headers).status_code == 204
    lock = mailbox.next_to(ANN["email"]).token
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 204
    assert mail_api.get("/me", headers=headers).json()["code"] == "session_ended"
    assert mail_api.post("/login", json=verified_ann).json()["code"] == "account_locked"
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    reset = mailbox.next_to(ANN["email"], 3).token
    assert mail_api.post("/password/reset", json={"token": reset, "password": NEW_PASSWORD}).status_code == 204
    assert mail_api.post("/login", json=verified_ann | {"password": NEW_PASSWORD}).status_code == 200


def test_a_thief_does_not_open_what_was_locked(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Its owner has signed up anew before they lock the old account: no mail to the thief's address opens that."""
    headers, thiefs = bearer(mail_api), "thief@example.test"
    mail_api.post("/account/email", json={"email": thiefs}, headers=headers)
    token = mailbox.next_to(thiefs).token
    mail_api.post("/account/email/confirm", json={"token": token}, headers=headers)
    lock = mailbox.next_to(ANN["email"]).token
    anew = verified_ann | {"password": NEW_PASSWORD}
    mail_api.post("/signup", json=anew)
    token = mailbox.next_to(ANN["email"], 2).token
    made = mail_api.post("/signup/verify", json={"token": token, "password": NEW_PASSWORD})
    assert made.status_code == 201
    mailbox.next_to(thiefs, 2)
    assert mail_api.post("/account/lock", json={"token": lock}).status_code == 204
    mail_api.post("/password/forgotten", json={"email": thiefs})
    mail_api.post("/password/forgotten", json={"email": ANN["email"]})
    mailbox.next_to(ANN["email"], 4)  # the queue is in order, so the thief's would be there
    assert len(mailbox.to(thiefs)) == 2
    thief = verified_ann | {"email": thiefs}
    assert mail_api.post("/login", json=thief).json()["code"] == "account_disabled"
    assert mail_api.post("/login", json=anew).status_code == 200


def test_an_address_that_is_taken_stays_its_owners(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """The answer is the same; the owner is told, and there is no link to confirm it with."""
    bob = {"email": "bob@example.test", "password": "bob has a long password"}
    mail_api.post("/signup", json=bob)
    token = mailbox.next_to(bob["email"]).token
    mail_api.post("/signup/verify", json={"token": token, "password": bob["password"]})
    headers = bearer(mail_api, bob)
    answer = mail_api.post("/account/email", json={"email": verified_ann["email"]}, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"email": ANN["email"]})
    mail = mailbox.next_to(ANN["email"])
    assert mail.subject == "This address is in use"
    assert "token=" not in mail.text


def test_an_existing_account_is_verified(api: httpx.Client, ann: dict[str, str], server: RunningServer) -> None:
    """Asking for one's own address verifies it; signed in, so nobody proves an address for somebody else's account."""
    assert ann == ANN
    headers = bearer(api)
    assert not api.get("/me", headers=headers).json()["email_verified"]
    api.post("/account/email", json={"email": ANN["email"]}, headers=headers)
    with Browser(server) as browser:
        token = browser.get(OUTBOX).text.partition("token=")[2][:43]
    eve = {"email": "eve@example.test", "password": "eve has a long password"}
    api.post("/signup", json=eve)
    assert api.post("/account/email/confirm", json={"token": token}, headers=bearer(api, eve)).status_code == 403
    assert api.post("/account/email/confirm", json={"token": token}).status_code == 401
    assert api.post("/account/email/confirm", json={"token": token}, headers=headers).status_code == 204
    assert api.get("/me", headers=headers).json()["email_verified"]


def test_another_password_ends_the_other_sessions(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """The one that asked goes on; a mail tells of it."""
    other, own = (mail_api.post("/login", json=verified_ann).json() for _ in range(2))
    headers = {"authorization": f"Bearer {own['token']}"}
    assert mail_api.post("/account/password", json={"password": NEW_PASSWORD}, headers=headers).status_code == 204
    assert mail_api.post("/refresh", json={"refresh_token": own["refresh_token"]}).status_code == 200
    assert mail_api.post("/refresh", json={"refresh_token": other["refresh_token"]}).json()["code"] == "session_ended"
    assert mail_api.post("/login", json=verified_ann | {"password": NEW_PASSWORD}).status_code == 200
    assert mailbox.next_to(ANN["email"]).subject == "Your password was changed"


CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/account/email", {"email": NEW_ADDRESS}),
    ("POST", "/account/password", {"password": NEW_PASSWORD}),
    ("GET", "/account/export", None),
    ("DELETE", "/account", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS, ids=str)
def test_an_old_sign_in_changes_nothing(  # whoever found an open laptop
    server: RunningServer,
    api: httpx.Client,
    ann: dict[str, str],
    method: str,
    path: str,
    body: Any,  # noqa: ANN401
) -> None:
    """Ten minutes after the sign-in each is 401 with RFC 9470's challenge."""
    headers = bearer(api, ann)
    server.clock.advance(601)
    answer = api.request(method, path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "recent_sign_in_required")
    assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
    assert api.get("/me", headers=headers).json()["email"] == ANN["email"]


def test_everything_is_exported(api: httpx.Client, ann: dict[str, str]) -> None:
    """Account, sessions, connected accounts, consents and events; no credential is among it."""
    pair = api.post("/login", json=ann).json()
    answer = api.get("/account/export", headers={"authorization": f"Bearer {pair['token']}"})
    exported = answer.json()
    assert set(exported) == {"account", "profile", "sessions", "identities", "consents", "organizations", "events"}
    assert exported["account"]["email"] == ANN["email"]
    assert len(exported["sessions"]) == 1
    assert [event["kind"] for event in exported["events"]] == ["account_created", "signed_in", "data_exported"]
    for secret in (ann["password"], pair["token"], pair["refresh_token"], "argon2"):
        assert secret not in answer.text


def test_a_deleted_account_is_gone(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """Tokens are dead, the password opens nothing, the address is free, and no event tells of the person."""
    pair = mail_api.post("/login", json=verified_ann).json()
    headers = {"authorization": f"Bearer {pair['token']}"}
    user_id = mail_api.get("/me", headers=headers).json()["id"]
    assert mail_api.delete("/account", headers=headers).status_code == 204
    assert mail_api.get("/me", headers=headers).json()["code"] == "session_ended"
    assert mail_api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 401
    assert mail_api.post("/login", json=verified_ann).json()["code"] == "invalid_credentials"
    assert mailbox.next_to(ANN["email"]).subject == "Your account is deleted"
    mail_api.post("/signup", json=verified_ann)
    assert mailbox.next_to(ANN["email"], 2).subject == "Create your account"
    assert [event for event in all_events(mailing) if user_id in (event.user_id, event.actor)] == []
