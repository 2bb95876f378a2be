"""Running the scenarios against a follower, and what is to be reported of it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from .publishing import AUDIENCE
from .stage import Misstep, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .scenario import Scenario
    from .sections import PageSection

PAGE = "docs/protocol/revocation.md"

THOUSAND = 1000
"""How many lists a scenario of many has."""

_TICK_SECONDS = 0.1

_log = logging.getLogger(__name__)


class Trial:
    """One scenario, played against the follower.

    Attributes:
        scenario: The scenario.
        stage: Its issuer.
        state: `"waiting"` for the harness, `"running"`, `"passed"`, `"failed"` or `"skipped"`.
        complaint: What the follower did wrong.
        section: The section of the page that says so.
        seconds: The real time that it took.
    """

    def __init__(self, scenario: Scenario, stage: Stage) -> None:
        self.scenario = scenario
        self.stage = stage
        self.state = "waiting"
        self.complaint = ""
        self.section: PageSection | None = None
        self.seconds = 0.0
        self._play: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is a result."""
        return self.state in {"passed", "failed", "skipped"}

    async def next_step(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What the harness is to do next, after it has told of the last step."""
        if self._play is None:
            self._begin(said)
        if not self.is_over:
            step = await self.stage.next_step(dict(said))
            if step or not self.is_over:
                return step
        return {"passed": self.state != "failed", "state": self.state, "complaint": self.complaint}

    def _begin(self, said: Mapping[str, Any]) -> None:
        now = said.get("clock")
        if isinstance(now, (int, float)) and not isinstance(now, bool):
            self.stage.clock.set(float(now))
        elif self.scenario.needs_clock:
            self.state = "skipped"
            self.complaint = "the harness cannot set its follower's clock"
            return
        self.state = "running"
        self._play = asyncio.create_task(self._perform())

    async def _perform(self) -> None:
        beating, began = asyncio.create_task(_beat(self.stage)), time.monotonic()
        try:
            await self.scenario.play(self.stage)
            self.stage.check_manners()
            self.state = "passed"
        except Misstep as misstep:
            self.state, self.complaint, self.section = "failed", str(misstep), misstep.section
        except Exception as error:  # noqa: BLE001 - a bug of ours must not look like the follower's success
            _log.exception("the script of %s broke", self.scenario.name)
            self.state, self.complaint = "failed", f"the script itself broke: {error!r}"
        finally:
            beating.cancel()
            self.seconds = round(time.monotonic() - began, 1)
            self.stage.hang_up()
            self.stage.release()

    def give_up(self) -> None:
        """End it without a result."""
        if self._play is not None:
            self._play.cancel()

    def told(self) -> dict[str, Any]:
        """What is reported."""
        section = None if self.section is None else f"{PAGE}#{self.section.lower().replace(' ', '-')}"
        return {
            "scenario": self.scenario.name,
            "about": self.scenario.about,
            "state": self.state,
            "complaint": self.complaint or None,
            "section": section,
            "seconds": self.seconds,
        }


async def _beat(stage: Stage) -> None:
    """Send heartbeats by the real clock; one that stands still is moved by the script, which sends them then."""
    while True:
        if not stage.clock.is_set:
            stage.beat_if_due()
        await asyncio.sleep(_TICK_SECONDS)


class FeedTrials:
    """All scenarios of a run.

    Attributes:
        origin: Where their issuers are.
        trials: The scenarios, by name.
        over: Set once each of them has a result.
    """

    def __init__(self, scenarios: Sequence[Scenario], *, origin: str, elsewhere: str, size: int = THOUSAND) -> None:
        """Prepare them.

        Args:
            scenarios: Which.
            origin: The URL that all issuers begin with.
            elsewhere: Another origin, where the same documents are, and which must never be asked.
            size: How many lists a scenario of many has.
        """
        self.origin = origin
        self.over = asyncio.Event()
        self.trials = {
            each.name: Trial(each, Stage(f"{origin}/{each.name}", elsewhere=f"{elsewhere}/{each.name}", size=size))
            for each in scenarios
        }

    async def next_step(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """What a scenario's harness is to do next."""
        step = await self.trials[name].next_step(said)
        if all(trial.is_over for trial in self.trials.values()):
            self.over.set()
        return step

    def listed(self) -> dict[str, Any]:
        """The scenarios, for the harness."""
        return {
            "scenarios": [
                {
                    "name": trial.scenario.name,
                    "about": trial.scenario.about,
                    "issuer": trial.stage.feed.url,
                    "audience": AUDIENCE,
                    "stale": trial.scenario.stale,
                    "stale_after": trial.scenario.stale_after,
                    "steps": f"{trial.stage.feed.url}/testing",
                }
                for trial in self.trials.values()
            ]
        }

    def report(self) -> dict[str, Any]:
        """What has been found so far."""
        told = [trial.told() for trial in self.trials.values()]
        return {"passed": all(each["state"] in {"passed", "skipped"} for each in told), "scenarios": told}

    def give_up(self) -> None:
        """End what runs."""
        for trial in self.trials.values():
            trial.give_up()
