"""Who waits for a stream, and who is woken when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from gatepass.server.features.shared_signals.long_polls import LongPolls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database


class Full:
    """A database in which one stream has something to tell, and which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def read(self, _unit: Callable[[Any], Awaitable[list[str]]]) -> list[str]:
        """What the look for all of them finds."""
        self.asked.append(await _unit(self))
        return ["str_full"]

    @property
    def signals(self) -> Full:
        """Of a transaction."""
        return self

    async def with_something(self, stream_ids: list[str]) -> list[str]:
        """What was asked for."""
        return stream_ids


def test_one_look_wakes_those_for_whom_there_is_something() -> None:
    """However many wait, the store is asked once, and not at all while nobody does."""

    async def run() -> None:
        database = Full()
        polls = LongPolls(cast("Database", database))
        await polls.catch_up()
        assert database.asked == []
        with polls.listening("cli_a", "str_full") as full, polls.listening("cli_b", "str_empty") as empty:
            await polls.catch_up()
            assert (full.is_set(), empty.is_set()) == (True, False)
        assert database.asked == [["str_empty", "str_full"]]
        await polls.catch_up()
        assert len(database.asked) == 1

    asyncio.run(run())


def test_a_second_one_takes_the_place_of_the_first_and_no_stranger_does() -> None:
    """A client holds one place for each stream; naming another client's stream wakes nobody."""
    polls = LongPolls(cast("Database", Full()))
    with polls.listening("cli_a", "str_1") as first:
        with polls.listening("cli_evil", "str_1"):
            assert not first.is_set()
        with polls.listening("cli_a", "str_1") as second:
            assert first.is_set()
            assert not second.is_set()


def test_a_server_that_stops_lets_everybody_go() -> None:
    """Those who wait, and those who come then."""
    polls = LongPolls(cast("Database", Full()))
    with polls.listening("cli_a", "str_1") as first:
        polls.close()
        assert first.is_set()
    with polls.listening("cli_a", "str_1") as late:
        assert late.is_set()
