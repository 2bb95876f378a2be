"""Changes of address and password, and the end of an account: what each ends, records and mails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.acts import code_of, token_in

from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.features.account.profile.change_email import confirm_address, send_link
from gatepass.server.features.account.profile.change_password import set_password
from gatepass.server.features.account.profile.delete_account import delete_account

if TYPE_CHECKING:
    import pytest
    from tests.support.acts import Acting

    from gatepass.server.domain.credentials.one_time_code import LinkPurpose
    from gatepass.server.domain.mail.notices import MailLink

NEW_PASSWORD = "another staple entirely"


def test_another_password_ends_all_but_this_session(needs: Acting) -> None:
    """Only the session that sets it lives on; links that opened the account are dead, and a mail can lock it."""

    async def run() -> None:
        ann = await needs.add_user()
        here = await needs.sign_in(ann, "ses_here")
        await needs.sign_in(ann, "ses_elsewhere")
        await send_link(needs, needs.call(here), "ann@new.example.test")
        link = token_in((await needs.queued_notices())[-1].link)
        await set_password(needs, needs.call(here), NEW_PASSWORD)
        assert await needs.live_sessions(ann.id) == {"ses_here"}
        assert (await needs.happened(ann.id))[-2:] == [
            ("sessions_ended", "password_changed"),
            ("password_changed", ""),
        ]
        notice = (await needs.queued_notices())[-1]
        assert (notice.kind, notice.to, bool(token_in(notice.lock))) == ("password_changed", ann.email, True)
        assert await code_of(confirm_address(needs, needs.call(here), link)) == "invalid_code"

    asyncio.run(run())


def test_a_session_that_ends_meanwhile_sets_no_password(needs: Acting) -> None:
    """Whoever signs a thief out while their new password is being hashed finds nothing changed."""

    async def run() -> None:
        ann = await needs.add_user()
        thief = await needs.sign_in(ann, "ses_thief")
        contents: list[list[str]] = []

        async def sign_out() -> None:
            await needs.write(lambda tx: end_session(tx, "ses_thief", ann.id, "ended_by_user"))
            contents.append(needs.content())

        interrupted = needs.while_hashing(sign_out)
        assert await code_of(set_password(interrupted, needs.call(thief), NEW_PASSWORD)) == "session_ended"
        assert [needs.content()] == contents

    asyncio.run(run())


def test_an_address_is_confirmed_by_who_asked_for_it(needs: Acting) -> None:
    """In another account the link does nothing and stays good; the old address gets the lock, the new one none."""

    async def run() -> None:
        ann, bob = await needs.add_user("ann"), await needs.add_user("bob")
        anns, bobs = await needs.sign_in(ann, "ses_ann"), await needs.sign_in(bob, "ses_bob")
        assert await send_link(needs, needs.call(anns), "Ann@New.Example.test") == "ann@new.example.test"
        token = token_in((await needs.queued_notices())[-1].link)
        before = needs.content()
        assert await code_of(confirm_address(needs, needs.call(bobs), token)) == "invalid_code"
        assert needs.content() == before
        await confirm_address(needs, needs.call(anns), token)
        told = [(notice.to, bool(notice.lock)) for notice in (await needs.queued_notices())[-2:]]
        assert told == [(ann.email, True), ("ann@new.example.test", False)]

    asyncio.run(run())


def test_an_address_that_is_taken_meanwhile_is_not_given(needs: Acting) -> None:
    """It stays with who has it when the link is followed; until then nobody is told that it was free."""

    async def run() -> None:
        ann = await needs.add_user("ann")
        call = needs.call(await needs.sign_in(ann, "ses_ann"))
        await send_link(needs, call, "bob@example.test")
        token = token_in((await needs.queued_notices())[-1].link)
        bob = await needs.add_user("bob")
        assert await code_of(confirm_address(needs, call, token)) == "invalid_code"
        owner = await needs.database.read(lambda tx: tx.users.by_email("bob@example.test"))
        assert owner == bob
        await send_link(needs, call, "bob@example.test")  # taken by now: its owner hears of it, and there is no link
        notice = (await needs.queued_notices())[-1]
        assert (notice.kind, notice.to, notice.link) == ("email_taken", bob.email, "")

    asyncio.run(run())


def test_a_link_that_nobody_was_mailed_opens_nothing(needs: Acting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for an address that is taken keeps a code for nothing, which stays so when the address becomes free."""
    made: list[MailLink] = []
    mail_link = needs.notices.mail_link

    def noted(purpose: LinkPurpose) -> MailLink:
        made.append(mail_link(purpose))
        return made[-1]

    async def run() -> None:
        ann, bob = await needs.add_user("ann"), await needs.add_user("bob")
        call = needs.call(await needs.sign_in(ann, "ses_ann"))
        monkeypatch.setattr(needs.notices, "mail_link", noted)
        await send_link(needs, call, bob.email)
        await delete_account(needs, needs.call(await needs.sign_in(bob, "ses_bob")))
        (link,) = made
        assert await code_of(confirm_address(needs, call, token_in(link.url))) == "invalid_code"
        assert await needs.database.read(lambda tx: tx.users.by_email(bob.email)) is None

    asyncio.run(run())


def test_the_tokens_of_a_deleted_account_are_revoked(needs: Acting) -> None:
    """Those of every session are, although nothing is left of the sessions; nobody else's are."""

    async def run() -> None:
        ann, bob = await needs.add_user("ann"), await needs.add_user("bob")
        here, elsewhere = await needs.sign_in(ann, "ses_here"), await needs.sign_in(ann, "ses_elsewhere")
        bobs = await needs.sign_in(bob, "ses_bob")
        await delete_account(needs, needs.call(here))
        assert [await needs.is_revoked(caller) for caller in (here, elsewhere, bobs)] == [True, True, False]

    asyncio.run(run())


def test_of_a_deleted_account_one_nameless_event_stays(needs: Acting) -> None:
    """Not even a mail that waits is left of it but the goodbye; no row says whose account it was."""

    async def run() -> None:
        ann = await needs.add_user()
        call = needs.call(await needs.sign_in(ann, "ses_ann"))
        await set_password(needs, call, NEW_PASSWORD)
        await delete_account(needs, call)
        (notice,) = await needs.queued_notices()
        assert (notice.kind, notice.to, notice.where) == ("account_deleted", ann.email, call.origin)
        assert notice.where.address
        assert await needs.happened("") == [("account_deleted", "")]
        assert not [row for row in needs.content() if ann.id in row or ann.email in row]

    asyncio.run(run())
