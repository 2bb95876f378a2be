"""Outgoing emails: sent when due, or shown in the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.mail.outbox import Outbox
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.requirements import THIS_MACHINE

if TYPE_CHECKING:
    from gatepass.server.core import Core

_SEND_SECONDS = 0.25
"""How often to check for due emails; a check takes some microseconds."""


def module(core: Core) -> Module:
    """The queue of emails, and the page that shows it if there is no mail server."""
    outbox = Outbox(core)
    return Module(
        templates=__package__,
        routes=outbox.routes(),
        proofs={THIS_MACHINE: outbox.check},
        jobs=(Job(every=_SEND_SECONDS, run=core.mail_delivery.send_due),),
        expiry=(core.mail_delivery.forget_old,),
    )
