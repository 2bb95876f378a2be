"""Webhooks: other servers are told of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.webhooks.delivery import WebhookSender
from gatepass.server.module import Job, Module

if TYPE_CHECKING:
    from gatepass.server.core import Core

_SEND_SECONDS = 0.25
"""How often to check whether a webhook is to be told of something; a check takes some microseconds."""


def module(core: Core) -> Module:
    """The queue of what webhooks are told."""
    sender = WebhookSender(core.database, core.fetch, core.data_key)
    return Module(
        jobs=(Job(every=_SEND_SECONDS, run=sender.send_due),), expiry=(sender.forget_old,), drain=sender.close
    )
