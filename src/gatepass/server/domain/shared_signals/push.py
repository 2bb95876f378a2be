"""Pushing what is queued to receivers (RFC 8935): with retries over three days, by any node.

One person's signals of one claim are sent in order; what another node has claimed meanwhile, or is tried again, may
come before or after. Each says when it happened (`event_timestamp`).
"""

from __future__ import annotations

from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import structlog

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.shared_signals.stream import may_receive
from gatepass.server.domain.telling import Telling, few_at_a_time
from gatepass.tokens import security_event_token
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.public_fetch import PublicFetch
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.shared_signals.queue import QueuedSignal
    from gatepass.server.domain.shared_signals.signal_tokens import SignalTokens
    from gatepass.server.domain.shared_signals.stream import SignalStream

log = structlog.get_logger("gatepass")

PAUSES = (5.0, 30.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 79_200.0)
"""Seconds before each further try, three days in all; after the last it is given up."""
_AT_ONCE = 20
_CLAIM_SECONDS = 120.0
"""How long one node owns a delivery: longer than `_AT_ONCE` of them take one after another."""
_ACCEPTED = range(200, 300)
"""RFC 8935 §2.2 wants 202; who answers 200 or 204 has taken it too."""
_REFUSED = 400
_ERRORS = ("invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "invalid_state")
"""RFC 8935 §2.4, SSF §8.1.4: the receiver cannot take this token, and never will. The other two,
`authentication_failed` and `access_denied`, are about the stream's header, which the receiver can set right."""

Outcome: TypeAlias = tuple[Literal["done", "again", "refused"], str]


_AGAIN: Outcome = "again", ""


class SignalError(msgspec.Struct, frozen=True):
    """What a receiver says of a token that it does not take (RFC 8935 §2.3)."""

    err: str
    description: str = ""


class SignalPush:
    """Delivers what is due: to each stream by a task of its own, so that a receiver that is slow holds up no other."""

    def __init__(self, database: Database, fetch: PublicFetch, tokens: SignalTokens, data_key: DataKey) -> None:
        self._database = database
        self._fetch = fetch
        self._tokens = tokens
        self._data_key = data_key
        self._telling = Telling("stream", self._tell)

    async def send_due(self) -> None:
        """Begin with the streams that have something due."""

        async def look(tx: Transaction) -> list[str]:
            return await tx.signals.due_receivers(tx.now)

        self._telling.begin(await self._database.read(look))

    def close(self) -> None:
        """Stop."""
        self._telling.close()

    async def _tell(self, stream_id: str) -> bool:
        """One person's of this claim in order, a few people's side by side."""

        async def unit(tx: Transaction) -> list[QueuedSignal]:
            return await tx.signals.claim_of(stream_id, now=tx.now, until=tx.now + _CLAIM_SECONDS, limit=_AT_ONCE)

        claimed = await self._database.transaction(unit, shared=True)
        claimed.sort(key=lambda each: (each.user_id, each.id))
        groups = [list(group) for _, group in groupby(claimed, lambda each: each.user_id)]
        sent = await few_at_a_time(map(self._send_all, groups))
        outcomes = (
            [(signal, _AGAIN) for signal in group] if isinstance(each, BaseException) else each
            for group, each in zip(groups, sent, strict=True)
        )
        await self._database.transaction(partial(_note_all, found=list(chain.from_iterable(outcomes))), shared=True)
        for failure in sent:
            if isinstance(failure, BaseException):
                raise failure
        return bool(claimed)

    async def _send_all(self, signals: list[QueuedSignal]) -> list[tuple[QueuedSignal, Outcome]]:
        """Those of one stream and person, one after another; one that fails holds up none that follows."""

        async def find(tx: Transaction) -> tuple[SignalStream | None, Client | None]:
            stream = await tx.signal_streams.by_id(signals[0].stream_id)
            return stream, None if stream is None else await tx.clients.by_id(stream.client_id)

        stream, client = await self._database.read(find)
        if stream is None or client is None or not may_receive(client):
            return [(each, ("done", "")) for each in signals]
        if stream.status != "enabled":  # since they were claimed, or as they were queued: only that it is so is told
            left: Outcome = _AGAIN if stream.status == "paused" else ("done", "")
            held = [each for each in signals if each.event != "stream-updated"]
            signals = [each for each in signals if each.event == "stream-updated"]
            return [*((each, left) for each in held), *(await self._send_signed(stream, client, signals))]
        return await self._send_signed(stream, client, signals)

    async def _send_signed(
        self, stream: SignalStream, client: Client, signals: list[QueuedSignal]
    ) -> list[tuple[QueuedSignal, Outcome]]:
        try:
            made = await self._tokens.make(client, signals)
        except Unavailable as error:
            log.warning("a signal was not signed", stream=stream.id, reason=error.private or error.detail)
            return [(each, _AGAIN) for each in signals]
        return [(each, await self._send(stream, each, made.get(each.jti))) for each in signals]

    async def _send(self, stream: SignalStream, signal: QueuedSignal, token: str | None) -> Outcome:
        """RFC 8935 §2: one token, as the body."""
        if token is None:
            return "done", ""
        headers = {"Content-Type": f"application/{security_event_token.TYP}", "Accept": "application/json"}
        if authorization := stream.header(self._data_key):
            headers["Authorization"] = authorization
        try:
            answer = await self._fetch.send(stream.endpoint_url, token.encode(), headers)
        except FetchError as error:
            log.warning("a receiver was not reached", stream=stream.id, reason=str(error), tries=signal.tries)
            return _AGAIN
        if answer.status in _ACCEPTED:
            return "done", ""
        code = error_of(answer.body) if answer.status == _REFUSED else ""
        log.warning(
            "a receiver did not take a signal", stream=stream.id, status=answer.status, error=code, tries=signal.tries
        )
        return ("refused", code) if code else _AGAIN


def error_of(body: bytes) -> str:
    """The code of a final refusal; empty for any other answer. What the receiver writes beside it is not kept."""
    try:
        told = msgspec.json.decode(body, type=SignalError).err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return known_error(told)


def known_error(told: str) -> str:
    """The code, if it is a final refusal."""
    return told if told in _ERRORS else ""


async def note_not_taken(tx: Transaction, signal: QueuedSignal, error: str) -> None:
    """Record that a receiver was not told; of nobody, where the account is gone meanwhile."""
    user_id = signal.user_id if signal.user_id and await tx.users.by_id(signal.user_id) is not None else ""
    await record(tx, "signal_not_taken", user_id, actor=SERVER, reason=f"{signal.stream_id} {signal.event} {error}")


async def _note_all(tx: Transaction, found: list[tuple[QueuedSignal, Outcome]]) -> None:
    for signal, outcome in found:
        await _note(tx, signal, outcome)


async def _note(tx: Transaction, signal: QueuedSignal, outcome: Outcome) -> None:
    """Remove what was told, or never will be; try the rest again. What was removed meanwhile is gone."""
    verdict, error = outcome
    if verdict == "again" and signal.tries <= len(PAUSES):
        stream = await tx.signal_streams.by_id(signal.stream_id)
        if stream is not None and stream.is_pushed and (stream.status == "enabled" or signal.event == "stream-updated"):
            await tx.signals.put_off(signal.id, tx.now + PAUSES[signal.tries - 1])
        return
    await tx.signals.remove(signal.id)
    if verdict != "done":
        await note_not_taken(tx, signal, error or "unreachable")
