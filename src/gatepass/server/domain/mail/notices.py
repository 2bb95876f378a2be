"""Queueing emails inside the transaction that they are about; each is sealed, and sent after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.base.texts import Texts
from gatepass.server.domain.credentials.one_time_code import Code, new_token
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.mail.queue import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.one_time_code import LinkPurpose
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.mail.queue import NoticeKind
    from gatepass.server.domain.ports import Transaction

INVITATION_SECONDS = 7 * 86_400.0
"""How long an invitation works."""
LOCK_SECONDS = 7 * 86_400.0
"""How long "this wasn't me" works."""

NO_USER = ""

_LINK_PAGES: Mapping[LinkPurpose, str] = {
    "signup": "signup/verify",
    "change_email": "account/email/confirm",
    "sign_in": "login/link",
    "reset": "reset",
    "lock": "lock",
    "organization": "organizations/invitation",
}
"""The page that links of each purpose lead to."""


class MailLink(Confidential, frozen=True):
    """The link of an email, and the digest of its token, which is what is stored."""

    url: str
    digest: bytes


class Notices:
    """Queues emails to users."""

    def __init__(self, data_key: DataKey, settings: Settings) -> None:
        self._data_key = data_key
        self.can_send = settings.mail != "none"
        self._languages = Texts(settings.text_files).languages

    def require(self) -> None:
        """Refuse an action that needs email if none can be sent.

        Raises:
            Refusal: `mail_not_configured`.
        """
        if not self.can_send:
            raise Refusal("mail_not_configured", "This server cannot send email: ask its operator.")

    def check_language(self, language: str) -> None:
        """Refuse a language that emails cannot be in.

        Raises:
            Refusal: `invalid_body`.
        """
        if language not in self._languages:
            raise Refusal("invalid_body", f"Emails are in one of these languages: {', '.join(self._languages)}.")

    def page_url(self, name: str) -> str:
        """The URL of a page, relative to the issuer, which the server that sends the email adds."""
        return f"/pages/{name}"

    def mail_link(self, purpose: LinkPurpose) -> MailLink:
        """A new link for an email; see `page_url`."""
        token = new_token()
        return MailLink(f"{self.page_url(_LINK_PAGES[purpose])}?token={token}", digest_of(token))

    async def send(self, tx: Transaction, notice: Notice, *, user_id: str = NO_USER) -> None:
        """Queue an email; it is removed together with the user."""
        if self.can_send:
            mail_id = new_id("mail")
            now = msgspec.structs.replace(notice, at=tx.now)
            sealed = self._data_key.seal(msgspec.json.encode(now), mail_id)
            await tx.mails.add(mail_id, sealed, user_id=user_id, now=tx.now)

    async def tell_taken(self, tx: Transaction, user: User, *, language: str, where: Origin) -> None:
        """Notify a user who has just verified their address that earlier credentials were removed."""
        notice = Notice(kind="earlier_access_removed", to=user.email, language=language, where=where)
        await self.send(tx, notice, user_id=user.id)

    async def warn(  # noqa: PLR0913 - of what, whom, in which language, and who did it where and when
        self,
        tx: Transaction,
        kind: NoticeKind,
        user: User,
        *,
        language: str,
        at: float | None = None,
        where: Origin = NOWHERE,
        **values: str,
    ) -> None:
        """Notify a user of a change to their account, with a link that locks the account.

        It goes to the address that `user` has here. The link also restores that address, and removes the factors that
        were added since `at`, the time of the change in seconds since 1970 (by default now).
        """
        link = self.mail_link("lock")
        await tx.codes.add(
            Code(
                digest=link.digest,
                purpose="lock",
                user_id=user.id,
                email=user.email,
                expires_at=(tx.now if at is None else at) + LOCK_SECONDS,
            )
        )
        notice = Notice(kind=kind, to=user.email, language=language, lock=link.url, values=values, where=where)
        await self.send(tx, notice, user_id=user.id)
