"""`gatepass testing`: for those who write software that works with a Gatepass server."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from gatepass.cli.output import Json, fail, result, result_json, result_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.testing.feed.scenario import Scenario

app = App(name="testing", help="Test software that works with a Gatepass server.")

_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}


@app.command
def feed(
    *,
    port: Annotated[int, Parameter(help="The port to listen on; 0 for one that is free.")] = 8082,
    scenario: Annotated[tuple[str, ...], Parameter(help="Only this scenario; may be repeated.")] = (),
    list_: Annotated[bool, Parameter(name="--list", negative="", help="List the scenarios, and do nothing.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds until what has not come to an end has failed.")] = 300,
    as_json: Json = False,
) -> None:
    """Play an issuer that revokes, stalls and lies, and tell what a follower of its revocations did wrong.

    docs/protocol/testing.md shows the harness that connects a follower, in any language, in some 20 lines. The status
    is 1 if a scenario failed or did not come to an end.
    """
    from gatepass.testing.feed.scenarios import SCENARIOS  # noqa: PLC0415 - slow to import, and only here of use

    known = {each.name: each for each in SCENARIOS}
    for name in scenario:
        if name not in known:
            fail(f"There is no scenario {name}.", "All of them: gatepass testing feed --list")
    chosen = [known[name] for name in dict.fromkeys(scenario or known)]
    if list_:
        _list(chosen, as_json=as_json)
        return
    try:
        report = asyncio.run(_play(chosen, port, timeout))
    except OSError as error:
        fail(f"Cannot listen: {error.strerror}.", "Another program may listen there: choose another --port.")
    if as_json:
        result_json(report)
    else:
        _tell(report)
    if not report["passed"]:
        raise SystemExit(1)


def _list(scenarios: Sequence[Scenario], *, as_json: bool) -> None:
    if as_json:
        result_json([{"name": each.name, "about": each.about} for each in scenarios])
    else:
        result_table(("SCENARIO", "WHAT HAPPENS"), [(each.name, each.about) for each in scenarios])


async def _play(scenarios: Sequence[Scenario], port: int, seconds: float) -> dict[str, Any]:
    """Serve until every scenario has a result, time is up, or Ctrl-C."""
    from gatepass.testing.feed.serving import serving  # noqa: PLC0415 - as above

    async with serving(scenarios, port=port) as trials:
        say(f"{len(scenarios)} scenarios wait at {trials.origin}/testing")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await trials.over.wait()
        return trials.report()


def _tell(report: dict[str, Any]) -> None:
    for each in report["scenarios"]:
        mark = _MARKS.get(each["state"], "FAILED")
        why = each["complaint"] or ("" if mark == "ok" else "it did not come to an end")
        where = f" ({each['section']})" if each["section"] else ""
        result(f"{mark:8}{each['scenario']}{': ' if why else ''}{why}{where}")
    states = [each["state"] for each in report["scenarios"]]
    say(f"{states.count('passed')} of {len(states)} passed, {states.count('skipped')} skipped")
