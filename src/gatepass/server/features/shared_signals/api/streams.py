"""`/ssf/streams`: a receiver makes, reads, changes and removes its streams (SSF 1.0 §8.1.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec
from msgspec import UNSET, Meta, UnsetType  # noqa: TC002 - msgspec reads the annotations

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.shared_signals import changes
from gatepass.server.domain.shared_signals.changes import WantedDelivery, WantedStream, own_stream
from gatepass.server.domain.shared_signals.signal_types import SUPPORTED, URIS
from gatepass.server.domain.shared_signals.stream import POLL, VERIFICATION_SECONDS
from gatepass.server.features.shared_signals.metadata import POLL_PREFIX, STREAMS
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import RECEIVER_MANAGE, RECEIVER_READ
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.shared_signals.stream import SignalStream
    from gatepass.server.web.call import Call

_EVENTS = list(SUPPORTED)[:2]


class StreamDelivery(Confidential, frozen=True, kw_only=True):
    """How the receiver wants to be told (§6.1). Without `authorization_header` a push to the same URL keeps it."""

    method: Annotated[str, Meta(examples=["urn:ietf:rfc:8935"])] = POLL
    endpoint_url: Annotated[str, Meta(examples=["https://receiver.example.com/events"])] = ""
    authorization_header: Annotated[str | None, Meta(examples=["Bearer eyJ0b2tlbiI6ImV4YW1wbGUifQo"])] = None

    def wanted(self) -> WantedDelivery:
        """For the acts."""
        return WantedDelivery(
            method=self.method, endpoint_url=self.endpoint_url, authorization_header=self.authorization_header
        )


class NewStream(Confidential, frozen=True, kw_only=True):
    """What a receiver says of a new stream; without `delivery` it is polled."""

    delivery: StreamDelivery = StreamDelivery()
    events_requested: Annotated[tuple[str, ...], Meta(examples=[_EVENTS])] = ()
    description: str = ""


class StreamUpdate(Confidential, frozen=True, kw_only=True):
    """What a receiver changes (PATCH), or all that it says (PUT). What we supply can be there, as it is."""

    stream_id: str
    delivery: StreamDelivery | UnsetType = UNSET
    events_requested: tuple[str, ...] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    iss: Any = UNSET
    aud: Any = UNSET
    events_supported: Any = UNSET
    events_delivered: Any = UNSET
    min_verification_interval: Any = UNSET

    def check_supplied(self, shown: StreamConfiguration) -> Refusal | None:
        """§8.1.1.3: what only we supply has to be what it is."""
        for name in ("iss", "aud", "events_supported", "events_delivered", "min_verification_interval"):
            said = getattr(self, name)
            if said is not UNSET and _comparable(said) != _comparable(msgspec.to_builtins(getattr(shown, name))):
                return Refusal("invalid_stream", f"{name} is not the receiver's to change.")
        return None


class DeliveryConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """How the receiver is told. The header that it wants to be sent is not shown again."""

    method: str
    endpoint_url: str


class StreamConfiguration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stream."""

    stream_id: str
    iss: str
    aud: str
    delivery: DeliveryConfiguration
    events_supported: tuple[str, ...]
    events_requested: tuple[str, ...]
    events_delivered: tuple[str, ...]
    min_verification_interval: int
    description: str = ""


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which one."""

    stream_id: str


class StreamsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which one; all of the client's without it."""

    stream_id: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="POST",
            path=STREAMS,
            handler=partial(add, core),
            auth=RECEIVER_MANAGE,
            summary="Create a stream of signals",
            body=NewStream,
            malformed="invalid_stream",
            answers={201: StreamConfiguration},
            problems=("too_many_signal_streams",),
        ),
        Route(
            method="GET",
            path=STREAMS,
            handler=partial(read, core),
            auth=RECEIVER_READ,
            summary="Read a stream, or a list of all the client's",
            query=StreamsQuery,
            malformed="invalid_stream",
            answers={200: StreamConfiguration},
            problems=("stream_not_found", "invalid_stream"),
        ),
        Route(
            method="PATCH",
            path=STREAMS,
            handler=partial(update, core),
            auth=RECEIVER_MANAGE,
            summary="Change what is named of a stream",
            body=StreamUpdate,
            malformed="invalid_stream",
            answers={200: StreamConfiguration},
            problems=("stream_not_found",),
        ),
        Route(
            method="PUT",
            path=STREAMS,
            handler=partial(replace, core),
            auth=RECEIVER_MANAGE,
            summary="Replace all that the receiver says of a stream",
            body=StreamUpdate,
            malformed="invalid_stream",
            answers={200: StreamConfiguration},
            problems=("stream_not_found",),
        ),
        Route(
            method="DELETE",
            path=STREAMS,
            handler=partial(remove, core),
            auth=RECEIVER_MANAGE,
            summary="Remove a stream, and all that it would tell",
            query=StreamQuery,
            malformed="invalid_stream",
            answers={204: None},
            problems=("stream_not_found", "invalid_stream"),
        ),
    )


async def add(core: Core, call: Call, body: NewStream) -> Response:
    """§8.1.1.1."""
    wanted = WantedStream(
        delivery=body.delivery.wanted(), events_requested=body.events_requested, description=body.description
    )

    async def unit(tx: Transaction) -> SignalStream | Refusal:
        return await changes.add_stream(tx, call.client.id, wanted, core.data_key)

    return JsonResponse(configuration(core, await decide(core.database, unit)), 201)


async def read(core: Core, call: Call, _body: None) -> Response:
    """§8.1.1.2: one as an object, or a list."""
    query = parse_query(call.request, StreamsQuery)

    async def unit(tx: Transaction) -> list[SignalStream] | Refusal:
        if not query.stream_id:
            return await tx.signal_streams.of_client(call.client.id)
        found = await own_stream(tx, call.client.id, query.stream_id)
        return found if isinstance(found, Refusal) else [found]

    found = await core.database.read(unit)
    if isinstance(found, Refusal):
        raise found
    shown: list[msgspec.Struct] = [configuration(core, each) for each in found]
    return JsonResponse(shown[0] if query.stream_id else shown)


async def update(core: Core, call: Call, body: StreamUpdate) -> Response:
    """§8.1.1.3: what is not named stays."""
    return await _change(
        core,
        call,
        body,
        WantedStream(
            delivery=None if body.delivery is UNSET else body.delivery.wanted(),
            events_requested=None if body.events_requested is UNSET else body.events_requested,
            description=None if body.description is UNSET else body.description,
        ),
    )


async def replace(core: Core, call: Call, body: StreamUpdate) -> Response:
    """§8.1.1.4: what is not named goes."""
    return await _change(
        core,
        call,
        body,
        WantedStream(
            delivery=WantedDelivery() if body.delivery is UNSET else body.delivery.wanted(),
            events_requested=() if body.events_requested is UNSET else body.events_requested,
            description="" if body.description is UNSET else body.description,
        ),
    )


async def remove(core: Core, call: Call, _body: None) -> Response:
    """§8.1.1.5."""
    query = parse_query(call.request, StreamQuery)

    async def unit(tx: Transaction) -> Refusal | None:
        stream = await own_stream(tx, call.client.id, query.stream_id)
        if isinstance(stream, Refusal):
            return stream
        await changes.remove_stream(tx, stream, actor=call.client.id)
        return None

    await decide(core.database, unit)
    return no_content()


async def _change(core: Core, call: Call, body: StreamUpdate, wanted: WantedStream) -> Response:
    async def unit(tx: Transaction) -> SignalStream | Refusal:
        before = await own_stream(tx, call.client.id, body.stream_id)
        if isinstance(before, Refusal):
            return before
        if refused := body.check_supplied(configuration(core, before)):
            return refused
        return await changes.change_stream(tx, before, wanted, core.data_key)

    return JsonResponse(configuration(core, await decide(core.database, unit)))


def configuration(core: Core, stream: SignalStream) -> StreamConfiguration:
    """A stream as its receiver reads it."""
    issuer = core.settings.issuer_url
    return StreamConfiguration(
        stream_id=stream.id,
        iss=issuer,
        aud=stream.client_id,
        delivery=DeliveryConfiguration(
            method=stream.method,
            endpoint_url=stream.endpoint_url if stream.is_pushed else issuer + POLL_PREFIX + stream.id,
        ),
        events_supported=tuple(SUPPORTED),
        events_requested=stream.events_requested,
        events_delivered=tuple(URIS[name] for name in stream.events),
        min_verification_interval=VERIFICATION_SECONDS,
        description=stream.description,
    )


def _comparable(value: object) -> object:
    """One or a list of one are the same audience, and lists are sets."""
    values = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else (value,)
    return frozenset(map(str, values))
