"""A scenario: a name, what it is about, and its script."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stage import Stage


class Scenario(NamedTuple):
    """One scripted issuer.

    Attributes:
        name: Its name, which is also the path of its issuer.
        about: What happens, in a sentence.
        play: The script.
        stale: What the follower is to do with tokens while it does not know what has been revoked.
        stale_after: From which age in seconds on it does not.
        needs_clock: Whether the follower's wall clock has to be set, which not every harness can.
    """

    name: str
    about: str
    play: Callable[[Stage], Awaitable[None]]
    stale: str
    stale_after: float
    needs_clock: bool


class Scenarios:
    """The scenarios of one module, in order."""

    def __init__(self) -> None:
        self.all: list[Scenario] = []

    def add(
        self, *, stale: str = "serve", stale_after: float = 60, needs_clock: bool = False
    ) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[Stage], Awaitable[None]]]:
        """Add a script; its name and its docstring are the scenario's.

        Args:
            stale: `"serve"` or `"refuse"`.
            stale_after: The setting of that name.
            needs_clock: Whether the wall clock is set in it.
        """

        def added(play: Callable[[Stage], Awaitable[None]]) -> Callable[[Stage], Awaitable[None]]:
            name = play.__name__.strip("_").replace("_", "-")
            about = (play.__doc__ or "").strip()
            self.all.append(Scenario(name, about, play, stale, stale_after, needs_clock))
            return play

        return added
