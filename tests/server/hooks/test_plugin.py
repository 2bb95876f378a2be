"""A plugin's functions, as its author registers them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gatepass.server import Plugin

if TYPE_CHECKING:
    from collections.abc import Callable

HOOKS = ("signing_keys", "extra_claims", "before_signup", "before_login", "on_event")


async def answers(_request: object = None) -> None:
    """Say nothing."""


def blocks(_request: object = None) -> None:
    """Say nothing, at once."""


class Answers:
    """An object that is called."""

    async def __call__(self, _request: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("hook", HOOKS)
def test_a_function_that_would_fail_at_each_call_is_refused(hook: str) -> None:
    """One that is not `async def` is refused where it is registered, and not at somebody's sign-in."""
    with pytest.raises(TypeError, match="async def"):
        getattr(Plugin("door"), hook)(blocks)


@pytest.mark.parametrize("hook", HOOKS)
def test_no_function_takes_the_place_of_another(hook: str) -> None:
    """A hook that says no would be dropped in silence."""
    plugin = Plugin("door")
    assert getattr(plugin, hook)(answers) is answers
    with pytest.raises(ValueError, match="already"):
        getattr(plugin, hook)(answers)


@pytest.mark.parametrize("function", [answers, partial(answers, None), Answers()])
def test_whatever_is_awaited_is_taken(function: Callable[..., Any]) -> None:
    """Functions, those with arguments given before, and objects."""
    assert Plugin("door").before_login(function) is function
