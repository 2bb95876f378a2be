"""`/ssf/subjects`: of whom a stream does not tell (SSF 1.0 §8.1.3).

Everybody who has signed in at the client is in its streams. Neither call shows whether somebody is known here (§9.1).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.shared_signals.changes import exclude_subject, own_stream
from gatepass.server.features.shared_signals.metadata import ADD_SUBJECT, REMOVE_SUBJECT
from gatepass.server.web.answers import empty, no_content
from gatepass.server.web.auth.requirements import RECEIVER_MANAGE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call

_Name: TypeAlias = Annotated[str, Meta(max_length=1_024)]


class StreamSubject(Confidential, frozen=True, kw_only=True, tag_field="format", tag="iss_sub"):
    """A person, by the `sub` of the client's ID tokens (RFC 9493 §3.2.3)."""

    iss: _Name
    sub: _Name


class ComplexStreamSubject(Confidential, frozen=True, kw_only=True, tag_field="format", tag="complex"):
    """A person as part of a complex subject (§3.3), whose other parts narrow nothing down."""

    user: StreamSubject


class SubjectChange(Confidential, frozen=True, kw_only=True):
    """Of which stream, and who."""

    stream_id: str
    subject: StreamSubject | ComplexStreamSubject
    verified: bool = True

    def name_at(self, issuer: str) -> str | Refusal:
        """What the client calls the person."""
        person = self.subject.user if isinstance(self.subject, ComplexStreamSubject) else self.subject
        if person.iss != issuer or not person.sub.isprintable():
            return Refusal("invalid_stream", "A subject is named by this issuer and the sub of the client's ID tokens.")
        return person.sub


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="POST",
            path=ADD_SUBJECT,
            handler=partial(add, core),
            auth=RECEIVER_MANAGE,
            summary="Tell of a person again",
            body=SubjectChange,
            malformed="invalid_stream",
            answers={200: None},
            problems=("stream_not_found",),
        ),
        Route(
            method="POST",
            path=REMOVE_SUBJECT,
            handler=partial(remove, core),
            auth=RECEIVER_MANAGE,
            summary="Tell of a person no more",
            body=SubjectChange,
            malformed="invalid_stream",
            answers={204: None},
            problems=("stream_not_found", "too_many_subjects"),
        ),
    )


async def add(core: Core, call: Call, body: SubjectChange) -> Response:
    """§8.1.3.2."""
    name = body.name_at(core.settings.issuer_url)

    async def unit(tx: Transaction) -> Refusal | None:
        stream = await own_stream(tx, call.client.id, body.stream_id)
        if isinstance(stream, Refusal):
            return stream
        if isinstance(name, Refusal):
            return name
        await tx.signal_streams.include(stream.id, name)
        return None

    await decide(core.database, unit)
    return empty()


async def remove(core: Core, call: Call, body: SubjectChange) -> Response:
    """§8.1.3.3."""
    name = body.name_at(core.settings.issuer_url)

    async def unit(tx: Transaction) -> Refusal | None:
        stream = await own_stream(tx, call.client.id, body.stream_id)
        if isinstance(stream, Refusal):
            return stream
        return name if isinstance(name, Refusal) else await exclude_subject(tx, stream, name)

    await decide(core.database, unit)
    return no_content()
