"""How long a thief lives who copied the owner's refresh token, or caught an answer on its way."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import pytest
from tests.refresh.checker import CURRENT, DEAD, SPENT, Checker
from tests.refresh.model import PACE, Row, advance

from gatepass.server.domain.sessions.grant import RotationPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS = Checker(quiet=12, grace=6, delay=3, at_once=0)
"""Of 5 s."""

Party: TypeAlias = Literal["owner", "thief"]
PARTIES: tuple[Party, Party] = ("owner", "thief")


class Hold(NamedTuple):
    """Who holds what: the owner the one serial in the store, the thief all that he ever got; and who came last.

    `may_lose` is how many of the owner's answers may still be lost, `changes` how often the grant has changed hands.
    """

    owner: int
    thief: frozenset[int]
    touched: int
    answered: int
    may_lose: int
    last: Party = "owner"
    changes: int = 0


def beginnings(copies: int, may_lose: int) -> Iterator[Hold]:
    """Every grant, at every age, when a thief is about to strike for the first time, with so many copies at most."""
    for owner, *thief in product((SPENT, CURRENT), repeat=1 + copies):
        for touched in range(TICKS.quiet + 1):
            for answered in range(min(touched, TICKS.grace + 1) + 1):
                yield Hold(owner, frozenset(thief), touched, answered, may_lose)


def turns(hold: Hold) -> Iterator[Hold | None]:
    """Every next refresh; None when it ends the session. Between owner and thief lies more than the grace."""
    for party in PARTIES:
        for ticks in range(TICKS.grace + 1 if party != hold.last else 0, TICKS.quiet + 1):
            if party == "thief":
                for serial in hold.thief:
                    yield turn(hold, party, serial, ticks)
            else:
                yield turn(hold, party, hold.owner, ticks)
                if hold.may_lose:
                    yield turn(hold._replace(may_lose=hold.may_lose - 1), party, hold.owner, ticks, is_lost=True)


def turn(hold: Hold, party: Party, serial: int, ticks: int, *, is_lost: bool = False) -> Hold | None:
    """One party refreshes so many ticks later, and gets its answer at once, unless it is lost."""
    touched, answered = min(hold.touched + ticks, TICKS.quiet), min(hold.answered + ticks, TICKS.grace + 1)
    verdict, meaning, touched, answered = TICKS.decide(serial, touched, answered)
    if verdict == "stolen":
        return None
    owner, thief = meaning[hold.owner], frozenset(meaning[held] for held in hold.thief)
    if not is_lost:
        owner, thief = (CURRENT, thief) if party == "owner" else (owner, thief | {CURRENT})
    return Hold(owner, thief, touched, answered, hold.may_lose, party, hold.changes + (party != hold.last))


@pytest.mark.parametrize("lost", [0, 1, 2])
@pytest.mark.parametrize(("copies", "changes"), [(1, 3), (2, 5)])
def test_a_thief_who_keeps_farther_away_than_the_grace_lives_through_three_changes_of_hand(
    copies: int, changes: int, lost: int
) -> None:
    """Whenever he strikes, and whichever of his tokens he uses: the fourth change of hand ends the session.

    With two different tokens copied beforehand it is the sixth, and each answer that the owner loses adds two.
    """
    seen = set(beginnings(copies, lost))
    ahead = list(seen)
    while ahead:
        for after in turns(ahead.pop()):
            if after is not None and after not in seen:
                seen.add(after)
                ahead.append(after)
    assert max(hold.changes for hold in seen) == changes + 2 * lost


def test_poison_ends_the_session() -> None:
    """Once the thief has been reissued the grant, the owner's next refresh ends it, however soon it comes."""
    hold = Hold(CURRENT, frozenset({SPENT}), touched=12, answered=7, may_lose=0)
    struck = turn(hold, "thief", SPENT, 0)
    assert struck is not None
    assert struck.owner == DEAD
    assert all(turn(struck, "owner", struck.owner, ticks) is None for ticks in range(TICKS.quiet + 1))


@pytest.mark.parametrize("seconds", [1, 15, 30])
def test_a_thief_who_always_strikes_within_the_grace_survives(seconds: float) -> None:
    """He looks like a second tab, and no table of serials tells them apart: DPoP does, since he lacks the key.

    What is asserted here is a limit, and docs/security/refresh.md says so.
    """
    row, owner, thief, now = Row(0, 1, 0, 0), 1, 1, 0.0
    for _ in range(1_000):
        now += 900
        verdict, row = advance(row, owner, now, PACE)
        owner = row.current
        assert verdict == "advanced"
        now += seconds
        verdict, row = advance(row, thief, now, PACE)
        thief = row.current
        assert verdict == "same"
    assert owner == thief == 1_001


def test_a_quiet_time_of_more_than_twice_the_grace_sets_no_limit() -> None:
    """With 90 and 30 s he keeps 35 s away for ever: he holds both serials, and lets nobody move on."""
    pace, row, now = RotationPolicy(quiet=90, grace=30, idle=PACE.idle), Row(1, 2, 0, 0), 0.0
    for _ in range(1_000):
        for seconds, serial in ((35, 2), (35, 2), (0, 1)):  # the owner, the thief, the thief
            now += seconds
            verdict, row = advance(row, serial, now, pace)
            assert verdict == "same"
