"""Receivers are told side by side, and take turns where there are more of them than tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.server.domain.telling import MOST_RECEIVERS, OF_ONE_RECEIVER, Telling, few_at_a_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

NAMES = [f"r{number:02}" for number in range(MOST_RECEIVERS + 4)]


def test_more_receivers_than_tasks_take_turns() -> None:
    """Each has more to be told all the time; still all are told, and never more than so many at once."""
    told = dict.fromkeys(NAMES, 0)
    at_once = 0

    async def run() -> None:
        going: set[str] = set()

        async def tell(receiver: str) -> bool:
            nonlocal at_once
            going.add(receiver)
            at_once = max(at_once, len(going))
            await asyncio.sleep(0)
            going.remove(receiver)
            told[receiver] += 1
            return True

        telling = Telling("test", tell)
        for _ in range(8):
            telling.begin(NAMES)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        telling.close()

    asyncio.run(run())
    assert min(told.values()) > 0
    assert at_once == MOST_RECEIVERS


def test_one_that_hangs_or_fails_keeps_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is told already is not begun again; a failure ends that receiver's turn alone, and closing ends all."""
    began: list[str] = []

    async def run() -> None:
        async def tell(receiver: str) -> bool:
            began.append(receiver)
            if receiver == "hangs":
                await asyncio.Event().wait()
            if receiver == "fails":
                raise LookupError("a secret")
            return False

        telling = Telling("test", tell)
        for _ in range(2):
            telling.begin(["hangs", "fails", "fine"])
            for _ in range(4):
                await asyncio.sleep(0)
        telling.close()
        telling.begin(["late"])

    asyncio.run(run())
    assert sorted(began) == ["fails", "fails", "fine", "fine", "hangs"]
    assert "a secret" not in caplog.text


def test_exchanges_with_one_receiver_are_few_at_a_time() -> None:
    """So many at once and not more; each one's result, or its failure, stands in its place."""
    going = most = 0

    async def exchange(number: int) -> int:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0)
        going -= 1
        if number == 3:
            raise LookupError
        return number

    found = asyncio.run(_all(exchange))
    assert most == OF_ONE_RECEIVER
    assert [each for each in found if isinstance(each, int)] == [0, 1, 2, *range(4, 20)]
    assert isinstance(found[3], LookupError)


async def _all(exchange: Callable[[int], Awaitable[int]]) -> list[int | BaseException]:
    return await few_at_a_time(exchange(number) for number in range(20))
