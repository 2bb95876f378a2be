"""The SQL of streams of Shared Signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.settings.tokens import STREAM_SCOPES
from gatepass.server.domain.shared_signals.stream import SignalStream
from gatepass.server.store.connection import has_word, words

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.shared_signals.signal_types import SignalType
    from gatepass.server.store.connection import Connection, Row, Value

_NAMES = SignalStream.__struct_fields__
_COLUMNS = ", ".join(_NAMES)
_PLACES = ", ".join(f"?{number}" for number in range(1, len(_NAMES) + 1))
_ASSIGNMENTS = ", ".join(f"{name} = ?{number}" for number, name in enumerate(_NAMES, 1) if name != "id")
_MAY_RECEIVE = " OR ".join(has_word("clients.scope", f"'{scope}'") for scope in sorted(STREAM_SCOPES))
_HEARS = f"""
status <> 'disabled' AND {has_word("events", "?2")}
AND EXISTS (
    SELECT 1 FROM clients WHERE clients.id = signal_streams.client_id
    AND clients.removed_at IS NULL AND clients.disabled_at IS NULL AND ({_MAY_RECEIVE})
)"""
"""Whether a stream tells of an event just now: `domain.shared_signals.stream.may_receive` is the same of its client."""
_KNOWS = """
EXISTS (
    SELECT 1 FROM grants WHERE grants.user_id = ?1 AND grants.client_id = signal_streams.client_id
    AND ((grants.ended_at IS NULL AND grants.expires_at > ?4) OR grants.ended_at > ?3)
)"""


class SqlSignalStreams:
    """`gatepass.server.domain.shared_signals.stream.SignalStreams`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, stream: SignalStream) -> None:
        """Insert."""
        await self._connection.row(f"INSERT INTO signal_streams ({_COLUMNS}) VALUES ({_PLACES})", *_values(stream))

    async def by_id(self, stream_id: str) -> SignalStream | None:
        """Select by primary key."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM signal_streams WHERE id = ?1", stream_id)
        return None if row is None else _stream(row)

    async def all(self) -> list[SignalStream]:
        """Select all."""
        return await self._streams("1 = 1")

    async def of_client(self, client_id: str) -> list[SignalStream]:
        """Select by client."""
        return await self._streams("client_id = ?1", client_id)

    async def put(self, stream: SignalStream) -> None:
        """Update by primary key."""
        await self._connection.row(f"UPDATE signal_streams SET {_ASSIGNMENTS} WHERE id = ?1", *_values(stream))

    async def remove(self, stream_id: str) -> None:
        """Delete by primary key, and by stream."""
        await self._connection.row("DELETE FROM signals WHERE stream_id = ?1", stream_id)
        await self._connection.row("DELETE FROM signal_exclusions WHERE stream_id = ?1", stream_id)
        await self._connection.row("DELETE FROM signal_streams WHERE id = ?1", stream_id)

    async def hearing_of(
        self, user_id: str, event: SignalType, *, ended_after: float, now: float
    ) -> list[SignalStream]:
        """Select all, of which there are few, with a look at the person's grants."""
        return await self._streams(f"{_HEARS} AND {_KNOWS}", user_id, event, ended_after, now)

    async def hearing_at(self, client_id: str, event: SignalType) -> list[SignalStream]:
        """Select by client."""
        return await self._streams(f"client_id = ?1 AND {_HEARS}", client_id, event)

    async def exclude(self, stream_id: str, subject: str) -> None:
        """Insert, unless it is there."""
        await self._connection.row(
            "INSERT INTO signal_exclusions (stream_id, subject) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            stream_id,
            subject,
        )

    async def include(self, stream_id: str, subject: str) -> None:
        """Delete by primary key."""
        await self._connection.row(
            "DELETE FROM signal_exclusions WHERE stream_id = ?1 AND subject = ?2", stream_id, subject
        )

    async def excluded(self, stream_id: str, subjects: Collection[str]) -> set[str]:
        """Select by primary key."""
        if not subjects:
            return set()
        places = ", ".join(f"?{number}" for number in range(2, len(subjects) + 2))
        rows = await self._connection.rows(
            f"SELECT subject FROM signal_exclusions WHERE stream_id = ?1 AND subject IN ({places})",
            stream_id,
            *subjects,
        )
        return {str(subject) for (subject,) in rows}

    async def forget_user(self, user_id: str) -> None:
        """Delete by subject, of which there are few."""
        await self._connection.row("DELETE FROM signal_exclusions WHERE subject = ?1", user_id)

    async def excluding(self, subject: str) -> list[SignalStream]:
        """Select all, of which there are few, with a look by primary key."""
        return await self._streams(
            "EXISTS (SELECT 1 FROM signal_exclusions WHERE stream_id = signal_streams.id AND subject = ?1)", subject
        )

    async def count_excluded(self, stream_id: str) -> int:
        """Count by stream."""
        row = await self._connection.row("SELECT COUNT(*) FROM signal_exclusions WHERE stream_id = ?1", stream_id)
        return int((row or (0,))[0] or 0)

    async def _streams(self, condition: str, *values: Value) -> list[SignalStream]:
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM signal_streams WHERE {condition} ORDER BY id", *values
        )
        return list(map(_stream, rows))


def _values(stream: SignalStream) -> list[Value]:
    values: dict[str, Value] = msgspec.structs.asdict(stream)
    values["events"] = " ".join(stream.events)
    values["events_requested"] = msgspec.json.encode(stream.events_requested).decode()
    return list(values.values())


def _stream(row: Row) -> SignalStream:
    values: dict[str, object] = dict(zip(_NAMES, row, strict=True))
    values["events"] = words(row[_NAMES.index("events")])
    values["events_requested"] = msgspec.json.decode(str(values["events_requested"]), type=tuple[str, ...])
    return msgspec.convert(values, SignalStream)
