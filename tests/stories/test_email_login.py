"""Somebody signs in by mail, without a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.pages import Browser
from tests.support.server import ANN, OUTBOX

from gatepass.jose import jwt

if TYPE_CHECKING:
    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer


@pytest.mark.parametrize("kind", ["code", "token"])
def test_an_application_signs_somebody_in(
    mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str], kind: str
) -> None:
    """It keeps the challenge, and sends it with the code that was typed or the link's token; `amr` says how."""
    asked = mail_api.post("/login/email", json={"email": verified_ann["email"]})
    assert asked.status_code == 202
    assert asked.json()["expires_in"] == 600
    mail = mailbox.next_to(ANN["email"])
    proof = {"code": mail.code} if kind == "code" else {"token": mail.token}
    body = {"challenge": asked.json()["challenge"], **proof}
    pair = mail_api.post("/login/email/code", json=body)
    assert pair.status_code == 200
    claims = jwt.peek(pair.json()["token"]).claims
    assert (claims["acr"], claims["amr"]) == ("1", ["otp"])
    again = mail_api.post("/login/email/code", json=body)
    assert (again.status_code, again.json()["code"]) == (403, "invalid_code")


def test_a_code_may_be_typed_in_groups(mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """Blanks and hyphens are no part of it."""
    challenge = mail_api.post("/login/email", json={"email": verified_ann["email"]}).json()["challenge"]
    code = mailbox.next_to(ANN["email"]).code
    body = {"challenge": challenge, "code": f" {code[:4]} - {code[4:]} "}
    assert mail_api.post("/login/email/code", json=body).status_code == 200


def test_the_code_is_short_lived(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, verified_ann: dict[str, str]
) -> None:
    """After ten minutes it is worth nothing."""
    challenge = mail_api.post("/login/email", json={"email": verified_ann["email"]}).json()["challenge"]
    code = mailbox.next_to(ANN["email"]).code
    mailing.clock.advance(601)
    assert mail_api.post("/login/email/code", json={"challenge": challenge, "code": code}).status_code == 403


@pytest.mark.parametrize("body", [{}, {"code": "12345678", "token": "x"}])
def test_one_proof_is_asked_for(mail_api: httpx.Client, body: dict[str, str]) -> None:
    """Neither none nor two."""
    answer = mail_api.post("/login/email/code", json={"challenge": "x", **body})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_the_pages_do_the_same(mailing: RunningServer, mailbox: Mailbox, verified_ann: dict[str, str]) -> None:
    """By the link's button, and by the code; both end where the person was going."""
    for number, kind in enumerate(("link", "code"), start=1):
        with Browser(mailing) as browser:
            asked = browser.post("/pages/login/email", email=verified_ann["email"], return_to="/app/orders")
            assert "Check your email" in asked.text
            mail = mailbox.next_to(ANN["email"], number)
            if kind == "link":
                done = browser.post("/pages/login/link", at=mail.link)
            else:
                fields = browser.fields("/pages/login/email") | {"code": mail.code, "return_to": "/app/orders"}
                headers = {"origin": mailing.url}
                done = browser.http.post("/pages/login/email/code", data=fields, headers=headers)
            assert (done.status_code, done.headers["location"]) == (303, "/app/orders")
            assert browser.refresh().status_code == 200


def test_an_unproven_owner_loses_the_account(api: httpx.Client, server: RunningServer) -> None:
    """The first proof of an address drops the password and the sessions of whoever made the account without one."""
    thief = {"email": ANN["email"], "password": "made before she came"}
    api.post("/signup", json=thief)
    pair = api.post("/login", json=thief).json()
    with Browser(server) as browser:
        browser.post("/pages/login/email", email=ANN["email"])
        link = browser.get(OUTBOX).text.partition('href="')[2].partition("/pages/login/link")[2]
        path = "/pages/login/link" + link.partition('"')[0].replace("&amp;", "&")
        assert browser.post("/pages/login/link", at=path).status_code == 303
        assert browser.refresh().status_code == 200
    assert api.post("/login", json=thief).json()["code"] == "invalid_credentials"
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["code"] == "session_ended"
