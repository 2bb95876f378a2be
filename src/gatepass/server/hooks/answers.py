"""What a hook's answer must be, however it is asked: in time, and one of those that there are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from gatepass.server.domain.hooks.failure import type_and_place
from gatepass.server.domain.hooks.requests import Deny
from gatepass.server.web.errors import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")

HOOK_SECONDS = 0.5
"""How long a hook may take: a person waits for it."""


class HookError(Exception):
    """Why a hook gave no answer that counts, for operators."""


async def limited(answer: Awaitable[T]) -> T:
    """Wait for a hook's answer as long as it may take.

    Raises:
        HookError: of whatever it raises, or when it takes longer.
    """
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(HOOK_SECONDS):
            return await answer
    except HookError:
        raise
    except TimeoutError as error:
        raise HookError(f"it took longer than {HOOK_SECONDS:g} seconds, or something it waited for did") from error
    except asyncio.CancelledError as error:
        if task is not None and task.cancelling():
            raise  # the caller hung up
        raise HookError("it cancelled itself") from error
    except Exception as error:
        raise HookError(type_and_place(error)) from error


def checked_answer(answer: object) -> Deny | None:
    """What a hook that decides has said.

    Raises:
        HookError: for anything but `Deny` and None, and for a code of ours: programs act by these.
    """
    if answer is None:
        return None
    if not isinstance(answer, Deny):
        raise HookError(f"it returned {type(answer).__name__}, which is neither Deny nor None")
    if answer.code in PROBLEMS:
        raise HookError(f"it denied with the code {answer.code}, which is one of Gatepass's own")
    return answer
