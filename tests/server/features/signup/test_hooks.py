"""Signing up by mail, with a hook: it is asked before the mail is sent, and when the account is made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
from tests.support.acts import PASSWORD, acting, code_of, token_in

from gatepass.server.domain.hooks.asking import AskingDatabase, Decider, HookFailures
from gatepass.server.domain.hooks.requests import Deny
from gatepass.server.features.signup.sign_up import SignupRequest, sign_up, verify_address

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.acts import Acting

    from gatepass.server.domain.hooks.requests import HookRequest
    from gatepass.server.store.sqlite import SqliteDatabase


def test_a_mailed_sign_up_is_asked_for_twice(tmp_path: Path) -> None:
    """A denial comes before the mail; one that comes later, when the link is used, leaves no account either."""
    answers: list[Deny | None] = []

    async def ask(_request: HookRequest) -> Deny | None:
        return answers.pop(0)

    async def run(plain: Acting) -> None:
        hooked = AskingDatabase(plain.database, [Decider("test", "before_signup", ask)], HookFailures(plain.database))
        needs = replace(plain, database=cast("SqliteDatabase", hooked))
        request = SignupRequest("ann@example.test", PASSWORD)
        answers[:] = [Deny("no", "No.")]
        assert await code_of(sign_up(needs, needs.call(), request)) == "signup_denied"
        assert await plain.queued_notices() == []

        answers[:] = [None, Deny("no", "No.")]
        await sign_up(needs, needs.call(), request)
        token = token_in((await plain.queued_notices())[0].link)
        verify = verify_address(needs, needs.call(), token, browser="", password=PASSWORD)
        assert await code_of(verify) == "signup_denied"
        assert await plain.database.read(lambda tx: tx.users.all()) == []
        assert answers == []

    with acting(tmp_path, smtp_url="smtp://localhost:1", mail_from="us@example.test") as plain:
        asyncio.run(run(plain))


@pytest.mark.parametrize(("signup", "code"), [("invitation", "invitation_required"), ("closed", "signup_closed")])
def test_where_sign_up_is_not_open(tmp_path: Path, signup: str, code: str) -> None:
    """The answer says whether an invitation would help."""
    with acting(tmp_path, signup=signup) as needs:
        asked = sign_up(needs, needs.call(), SignupRequest("ann@example.test", PASSWORD))
        assert asyncio.run(code_of(asked)) == code
