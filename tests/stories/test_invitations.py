"""An operator invites somebody: an account without a password, and a mail with which its owner sets one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer, sign_in

from gatepass.cli.main import main

if TYPE_CHECKING:
    import httpx
    from tests.support.mailbox import Mailbox
    from tests.support.server import RunningServer

ZOE = {"email": "zoe@example.test", "password": "a password of my own"}


@pytest.fixture
def ops(mailing: RunningServer, mail_api: httpx.Client) -> dict[str, str]:
    """The header of a client with the rights of operators."""
    client = add_client(mailing, "ops", "--scope", "admin:write")
    form = {"grant_type": "client_credentials", "scope": "admin:write"}
    return bearer(mail_api.post("/oauth/token", data=form, headers=client.basic).json()["access_token"])


@pytest.mark.parametrize("face", ["http", "command"])
def test_who_is_invited_sets_a_password(
    mailing: RunningServer, mail_api: httpx.Client, mailbox: Mailbox, ops: dict[str, str], face: str
) -> None:
    """The link works for a week and once, proves the address, and the invited person signs in with the roles given."""
    if face == "http":
        body = {"email": ZOE["email"], "invite": True, "roles": ["editor"], "language": "de"}
        assert mail_api.post("/admin/users", json=body, headers=ops).status_code == 201
    else:
        main(["user", "invite", ZOE["email"], "--role", "editor", "--language", "de", *mailing.place])
        mailing.clock.now = time.time() + 1  # the command goes by the real time
    mail = mailbox.next_to(ZOE["email"])
    assert mail.subject == "Sie wurden eingeladen"
    mailing.clock.advance(6 * 86_400)
    reset = {"token": mail.token, "password": ZOE["password"]}
    assert mail_api.post("/password/reset", json=reset).status_code == 204
    assert mail_api.post("/password/reset", json=reset).status_code == 403
    me = mail_api.get("/me", headers=bearer(sign_in(mail_api, ZOE).json()["token"])).json()
    assert (me["email_verified"], me["roles"]) == (True, ["editor"])


def test_an_invitation_is_sent_again_until_it_was_used(
    mail_api: httpx.Client, mailbox: Mailbox, ops: dict[str, str]
) -> None:
    """The newest link works and no earlier one; who has an account is not invited."""
    body = {"email": ZOE["email"], "invite": True}
    first = mail_api.post("/admin/users", json=body, headers=ops).json()
    early = mailbox.next_to(ZOE["email"]).token
    assert mail_api.post("/admin/users", json=body, headers=ops).json()["id"] == first["id"]
    late = mailbox.next_to(ZOE["email"], 2).token
    reset = {"token": early, "password": ZOE["password"]}
    assert mail_api.post("/password/reset", json=reset).status_code == 403
    assert mail_api.post("/password/reset", json=reset | {"token": late}).status_code == 204
    assert mail_api.post("/admin/users", json=body, headers=ops).json()["code"] == "email_taken"
    both = body | {"password": ZOE["password"], "email": "other@example.test"}
    assert mail_api.post("/admin/users", json=both, headers=ops).json()["code"] == "invalid_body"
