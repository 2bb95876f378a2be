"""Attacks on the server meet the same server as the stories."""

from __future__ import annotations

from tests.stories.conftest import ann, api, clock, mail_api, mailbox, mailing, server, verified_ann

__all__ = ["ann", "api", "clock", "mail_api", "mailbox", "mailing", "server", "verified_ann"]
