"""A walk through everything that can happen between a server and an owner whose messages take their time.

Time goes in ticks. The owner has one store, and any number of tabs that read it when they send: so a tab, a reload, a
retry after a time-out and a device that wakes up are all the same event, *send*. A request arrives, and is decided and
answered, at most `delay` ticks later, or never; the answer is written to the store at most `delay` ticks after that, or
never, whatever is in the store by then. An answer that is lost on the way and a crash before saving are the same too.

What is not kept apart need not be walked apart: of a serial it only matters whether it is current, spent or neither,
of an age whether it has reached the limit that the table compares it with. That makes the walk finite, with no bound
on how long it takes or how many messages there are in all; only those in flight at once are counted.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tests.refresh.model import Row, advance

from gatepass.server.domain.sessions.grant import RotationPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.refresh.model import Verdict

DEAD, SPENT, CURRENT = range(3)
"""What a serial is to the grant. They are serials too: of a grant whose `spent` is 1 and whose `current` is 2."""

REQUEST, ANSWER = range(2)


class Message(NamedTuple):
    """On its way for `age` ticks."""

    kind: int
    serial: int
    age: int


class Decision(NamedTuple):
    """The verdict, what dead, spent and current serials are to the grant afterwards, and its two ages."""

    verdict: Verdict
    meaning: tuple[int, ...]
    touched: int
    answered: int


class State(NamedTuple):
    """The owner's store, how many ticks ago the grant was touched and answered, and what is in flight, in order."""

    store: int
    touched: int
    answered: int
    flight: tuple[Message, ...]


Step: TypeAlias = tuple[str, State | None]
"""What happened, and the state after it; None when the server took the owner for a thief."""

FRESH = State(CURRENT, touched=0, answered=0, flight=())


class Checker(NamedTuple):
    """The limits, in ticks, and how many messages may be in flight at once."""

    quiet: int
    grace: int
    delay: int
    at_once: int

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that can happen next."""
        store, touched, answered, flight = state
        if len(flight) < self.at_once:
            yield "send", State(store, touched, answered, _sorted(*flight, Message(REQUEST, store, 0)))
        for place, message in enumerate(flight):
            if message in flight[:place]:
                continue  # its twin did all this
            rest = flight[:place] + flight[place + 1 :]
            yield "loss", State(store, touched, answered, rest)
            if message.kind == ANSWER:
                yield "write", State(message.serial, touched, answered, rest)
            else:
                yield self._arrival(State(store, touched, answered, rest), message.serial)
        if all(message.age < self.delay for message in flight):
            yield "tick", State(store, min(touched + 1, self.quiet), min(answered + 1, self.grace + 1), _older(flight))

    def _arrival(self, state: State, serial: int) -> Step:
        verdict, meaning, touched, answered = self.decide(serial, state.touched, state.answered)
        if verdict == "stolen":
            return verdict, None
        flight = [message._replace(serial=meaning[message.serial]) for message in state.flight]
        return verdict, State(meaning[state.store], touched, answered, _sorted(*flight, Message(ANSWER, CURRENT, 0)))

    @cache  # noqa: B019 - there are few checkers, and they live as long as the tests
    def decide(self, serial: int, touched: int, answered: int) -> Decision:
        """Ask the model."""
        pace = RotationPolicy(quiet=self.quiet, grace=self.grace, idle=1_000_000)
        verdict, row = advance(Row(SPENT, CURRENT, -touched, -answered), serial, 0, pace)
        meaning = tuple({row.spent: SPENT, row.current: CURRENT}.get(kind, DEAD) for kind in (DEAD, SPENT, CURRENT))
        return Decision(verdict, meaning, int(-row.touched), int(-row.answered))

    def walk(self) -> tuple[int, list[str]]:
        """Walk every state there is: their number, and the shortest road to a false logout, empty if there is none."""
        came_from: dict[State, tuple[str, State]] = {}
        seen = {FRESH}
        ahead = deque(seen)
        while ahead:
            state = ahead.popleft()
            for what, after in self.steps(state):
                if after is None:
                    return len(seen), [*_road(came_from, state), what]
                if after not in seen:
                    seen.add(after)
                    came_from[after] = what, state
                    ahead.append(after)
        return len(seen), []


def _sorted(*flight: Message) -> tuple[Message, ...]:
    return tuple(sorted(flight))


def _older(flight: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple([Message(kind, serial, age + 1) for kind, serial, age in flight])


def _road(came_from: dict[State, tuple[str, State]], state: State) -> list[str]:
    road: list[str] = []
    while state in came_from:
        what, state = came_from[state]
        road.append(what)
    return road[::-1]
