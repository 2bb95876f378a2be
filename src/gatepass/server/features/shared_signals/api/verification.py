"""`POST /ssf/verification`: a receiver sees whether its stream works (SSF 1.0 §8.1.4)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.shared_signals.changes import own_stream, verify_stream
from gatepass.server.features.shared_signals.metadata import VERIFICATION
from gatepass.server.web.answers import no_content
from gatepass.server.web.auth.requirements import RECEIVER_READ
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call


class VerificationRequest(Confidential, frozen=True, kw_only=True):
    """Of which stream, and what the event repeats."""

    stream_id: str
    state: Annotated[str, Meta(max_length=1_024)] = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path=VERIFICATION,
            handler=partial(verify, core),
            auth=RECEIVER_READ,
            summary="Have a verification event sent over a stream",
            body=VerificationRequest,
            malformed="invalid_stream",
            answers={204: None},
            problems=("stream_not_found", "stream_disabled", "verification_too_soon"),
        ),
    )


async def verify(core: Core, call: Call, body: VerificationRequest) -> Response:
    """§8.1.4.2."""

    async def unit(tx: Transaction) -> Refusal | None:
        stream = await own_stream(tx, call.client.id, body.stream_id)
        return stream if isinstance(stream, Refusal) else await verify_stream(tx, stream, body.state)

    await decide(core.database, unit)
    return no_content()
