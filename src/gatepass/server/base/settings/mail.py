"""How emails are sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.limits import LimitSection
from gatepass.server.base.settings.section import Secret
from gatepass.server.base.urls import is_loopback

_SMTP = re.compile(r"smtps?://([\w.%+-]+@)?(\[[0-9a-f:]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
"""Without a password, which is a separate setting that is never printed."""
_SENDER = re.compile(r"[\w.+-]+@[\w.-]+", re.ASCII)


class MailSection(LimitSection, frozen=True, kw_only=True):
    """The mail server, the sender, and how long links and codes live."""

    smtp_url: Annotated[
        str,
        Meta(
            description="Mail server: smtps://USER@HOST:465, or smtp://USER@HOST:587 with STARTTLS. Empty: no email; on loopback, an outbox page."
        ),
    ] = ""
    smtp_password: Annotated[Secret, Meta(description="Password for the mail server.")] = ""
    smtp_ca_file: Annotated[
        str,
        Meta(description="PEM file of the certificate authorities to trust for the mail server. Empty: the system's."),
    ] = ""
    outbox_key: Annotated[
        Secret,
        Meta(
            description="Key of the outbox page, part of the link that `serve` prints. Empty: a new one at each start."
        ),
    ] = ""
    mail_from: Annotated[str, Meta(description="Sender of emails. Empty: no-reply at the issuer's host.")] = ""
    mail_templates: Annotated[
        str,
        Meta(
            description="Folder of your own templates of emails, such as `invitation.txt`. Empty: all emails are ours."
        ),
    ] = ""
    mails_per_address: Annotated[
        int,
        Meta(ge=1, description="Emails that can be requested for one address within an hour before pauses begin."),
    ] = 5
    mail_link_seconds: Annotated[
        int, Meta(ge=60, description="Lifetime of a link to verify an address or set a new password, in seconds.")
    ] = 3_600
    mail_code_seconds: Annotated[
        int, Meta(ge=60, description="Lifetime of a link or code to sign in with, in seconds.")
    ] = 600

    @property
    def mail(self) -> Literal["smtp", "outbox", "none"]:
        """Where emails go: to the mail server, or on loopback to the outbox page."""
        if self.smtp_url:
            return "smtp"
        is_local = is_loopback(self.host) and is_loopback(urlsplit(self.issuer_url).hostname or "")
        return "outbox" if is_local and not self.trusted_proxy else "none"

    @property
    def outbox_url(self) -> str:
        """The URL of the outbox page."""
        return f"{self.issuer_url}/pages/outbox?key={quote(self.outbox_key, safe='')}"

    @property
    def sender(self) -> str:
        """The sender of emails."""
        return self.mail_from or f"no-reply@{urlsplit(self.issuer_url).hostname}"

    def check(self) -> None:
        """Check the mail server, the sender, and that the certificates exist."""
        super().check()
        if self.smtp_url and not _SMTP.fullmatch(self.smtp_url):
            raise StartupError(
                "The mail server's URL is not supported.", "Use a URL such as smtps://gatepass@mail.example.com:465"
            )
        if self.mail_from and not _SENDER.fullmatch(self.mail_from):
            raise StartupError("`mail_from` is not an email address.", "Use an address such as no-reply@example.com")
        if self.smtp_ca_file and not Path(self.smtp_ca_file).is_file():
            raise StartupError(f"There is no file {self.smtp_ca_file}.", "Give `smtp_ca_file` a PEM file.")
        if self.mail_templates and not Path(self.mail_templates).is_dir():
            raise StartupError(f"There is no folder {self.mail_templates}.", "Give `mail_templates` a folder.")
