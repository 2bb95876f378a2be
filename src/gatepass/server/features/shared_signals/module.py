"""The transmitter of Shared Signals: what it is, how receivers manage streams, and how they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.operator import streams_audience
from gatepass.server.domain.shared_signals.push import SignalPush
from gatepass.server.domain.shared_signals.queue import KEPT_SECONDS
from gatepass.server.domain.shared_signals.signal_tokens import SignalTokens
from gatepass.server.features.shared_signals.api import operators, poll, status, streams, subjects, verification
from gatepass.server.features.shared_signals.long_polls import LongPolls
from gatepass.server.features.shared_signals.metadata import WELL_KNOWN, of_streams, of_transmitter
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.receiver import ReceiverAuth
from gatepass.server.web.auth.requirements import RECEIVER_MANAGE, RECEIVER_READ
from gatepass.server.web.metadata import RESOURCE_PATH, paths_of

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_SEND_SECONDS = 0.25
"""How often to check whether there is something to push; a check takes some microseconds."""


def module(core: Core) -> Module:
    """The metadata, the calls, and the queue."""
    issuer = core.settings.issuer_url
    for well_known, about, members in (
        (WELL_KNOWN, issuer, of_transmitter(issuer)),
        (RESOURCE_PATH, streams_audience(issuer), of_streams(core.settings)),
    ):
        document = core.documents.make(msgspec.json.encode(members))
        for path in paths_of(well_known, about):
            core.documents.publish_at_root(path, document)
    receivers = ReceiverAuth(core.database, core.bearer_auth, core.revocation_check, issuer=issuer)
    waiting = LongPolls(core.database)
    tokens = SignalTokens(
        core.database,
        core.id_token_signers,
        core.subjects,
        core.custom_claims,
        keys=core.keys,
        data_key=core.data_key,
        settings=core.settings,
    )
    push = SignalPush(core.database, core.fetch, tokens, core.data_key)

    async def forget_old(tx: Transaction) -> None:
        await tx.signals.forget_before(tx.now - KEPT_SECONDS)

    def drain() -> None:
        waiting.close()
        push.close()

    return Module(
        routes=(
            *(route for part in (streams, status, subjects, verification, operators) for route in part.routes(core)),
            *poll.routes(core, tokens, waiting),
        ),
        proofs={RECEIVER_READ: receivers.reader, RECEIVER_MANAGE: receivers.manager},
        jobs=(Job(every=_SEND_SECONDS, run=push.send_due),),
        expiry=(forget_old,),
        catch_up=waiting.catch_up,
        drain=drain,
    )
