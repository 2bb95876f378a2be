"""What operators do to streams of Shared Signals: by HTTP and on the command line. They never see a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.operator import COMMAND_LINE
from gatepass.server.domain.shared_signals.changes import remove_stream

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.operator import Operator
    from gatepass.server.domain.shared_signals.stream import SignalStream


class StreamAdmin:
    """The acts.

    Args:
        database: The store.
        by: Who administers.
    """

    def __init__(self, database: Database, *, by: Operator = COMMAND_LINE) -> None:
        self._database = database
        self._by = by

    async def all(self) -> list[tuple[SignalStream, int]]:
        """Every stream, oldest first, and how much waits in it."""

        async def unit(tx: Transaction) -> list[tuple[SignalStream, int]]:
            return [(each, (await tx.signals.count(each.id, ""))[0]) for each in await tx.signal_streams.all()]

        return await self._database.read(unit)

    async def remove(self, stream_id: str) -> None:
        """Remove a stream, and all that it would tell. Its receiver can make another, unless it loses its scopes."""

        async def unit(tx: Transaction) -> Refusal | None:
            stream = await tx.signal_streams.by_id(stream_id)
            if stream is None:
                return Refusal("stream_not_found", "There is no stream of this id.")
            await remove_stream(tx, stream, actor=self._by.id)
            return None

        await decide(self._database, unit)
