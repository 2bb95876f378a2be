"""Asking a hook in the middle of a unit of work, which can wait for nothing and holds the lock of the database.

Only inside its transaction does a unit find out who is signing in, because codes and passkeys are used up there. So
where an answer is needed and there is none yet, the unit is undone as if it had never run, the hook is asked while
nothing is locked, and the unit is run again with the answer. A hook that fails therefore uses up nothing, and what is
asked about is whoever the transaction has found.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.requests import NAMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gatepass.server.base.clock import Clock
    from gatepass.server.domain.hooks.requests import Deny, HookName, HookRequest
    from gatepass.server.domain.ports import Condition, Database, Person, Transaction

T = TypeVar("T")

MOST_QUESTIONS = 8
"""How often a unit is run again: it asks about an account, a session, and anew where another changed what it reads."""
_NOTED_SECONDS = 60.0
"""How often the same failure of a hook is recorded by a process: strangers can cause it by signing up."""


class Unanswered(Exception):
    """A unit needs the answer to a question that was not asked yet."""

    def __init__(self, request: HookRequest) -> None:
        super().__init__(NAMES[type(request)])
        self.request = request


class Decider(msgspec.Struct, frozen=True):
    """What answers a hook's question: a plugin's function, or a URL. `name` is for operators."""

    name: str
    hook: HookName
    ask: Callable[[HookRequest], Awaitable[Deny | None]]


class Answers:
    """The answers that an act has got so far; `asked` are the hooks that there are."""

    def __init__(self, asked: frozenset[HookName] = frozenset()) -> None:
        self._asked = asked
        self._given: list[tuple[HookRequest, Deny | None]] = []

    def needs(self, hook: HookName) -> bool:
        """Whether anything is to be asked."""
        return hook in self._asked

    def to(self, request: HookRequest) -> Deny | None:
        """The answer. Raises `Unanswered`, which is for `AskingDatabase` only."""
        if not self.needs(NAMES[type(request)]):
            return None
        for asked, answer in self._given:
            if asked == request:
                return answer
        raise Unanswered(request)

    def add(self, request: HookRequest, answer: Deny | None) -> None:
        """Keep an answer."""
        self._given.append((request, answer))


NO_HOOKS = Answers()
"""For units of the command line, which asks no hooks: who runs it could as well write to the database."""


class HookFailures:
    """Records that a hook failed, so that `gatepass doctor` can say so."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._noted: dict[str, float] = {}

    async def note(self, name: str, hook: str) -> None:
        """Record it as an event, at most once a minute; the log has it each time, where the request is refused."""
        now = self._monotonic()
        if now - self._noted.get(f"{name} {hook}", float("-inf")) < _NOTED_SECONDS:
            return
        self._noted[f"{name} {hook}"] = now

        async def unit(tx: Transaction) -> None:
            await record(tx, "hook_failed", actor=SERVER, reason=f"{hook} {name}")

        await self._database.transaction(unit, shared=True)


class AskingDatabase:
    """`gatepass.server.domain.ports.Database` over another one: its units may ask hooks."""

    def __init__(self, database: Database, deciders: Sequence[Decider], failures: HookFailures) -> None:
        self._database = database
        self._deciders = tuple(deciders)
        self._asked: frozenset[HookName] = frozenset(decider.hook for decider in deciders)
        self._failures = failures
        self.clock: Clock = database.clock

    async def transaction(
        self, unit: Callable[[Transaction], Awaitable[T]], *, about: Person = "", shared: bool = False
    ) -> T:
        """Run the unit, as often as it asks something new; see the port.

        Raises:
            Unavailable: `hook_unavailable`, and then nothing was written.
        """
        answers = Answers(self._asked)
        for _ in range(MOST_QUESTIONS):
            try:
                return await self._database.transaction(partial(_run, unit, answers), about=about, shared=shared)
            except Unanswered as unanswered:
                request = unanswered.request
            answers.add(request, await self._ask(request))
        raise hook_unavailable("what is asked about changes all the time")

    async def _ask(self, request: HookRequest) -> Deny | None:
        """Ask each hook in turn, until one says no."""
        for decider in self._deciders:
            if decider.hook != NAMES[type(request)]:
                continue
            try:
                denied = await decider.ask(request)
            except Unavailable:
                await self._failures.note(decider.name, decider.hook)
                raise
            if denied is not None:
                return denied
        return None

    async def statement(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """See the port. No statement alone signs anybody in."""
        return await self._database.statement(unit)

    async def read(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """See the port."""
        return await self._database.read(unit)

    def still_holds(self, read_at: float) -> bool:
        """See the port."""
        return self._database.still_holds(read_at)

    async def changed(self) -> None:
        """See the port."""
        await self._database.changed()

    def check_settled(self) -> None:
        """See the port."""
        self._database.check_settled()

    async def condition(self) -> Condition:
        """See the port."""
        return await self._database.condition()


async def _run(unit: Callable[[Transaction], Awaitable[T]], answers: Answers, tx: Transaction) -> T:
    """Run a unit with its answers. A transaction's stores are used again by the next unit, so they are taken away."""
    tx.answers = answers
    try:
        return await unit(tx)
    finally:
        tx.answers = NO_HOOKS


def hook_unavailable(why: str) -> Unavailable:
    """A hook that gives no answer has not said yes."""
    return Unavailable(
        "hook_unavailable",
        "Whether this is allowed cannot be found out just now: try again shortly.",
        private=why,
        retry_after=5,
    )
