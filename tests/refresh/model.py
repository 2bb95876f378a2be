"""The refresh table once more, in Python: what the checker walks, and what the SQL is compared with."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from gatepass.server.domain.sessions.grant import RotationPolicy

Verdict: TypeAlias = Literal["advanced", "same", "reissued", "stolen", "ended", "store_went_back"]

SKIP = 1_000_000
"""How far a grant jumps when the store has lost writes."""

PACE = RotationPolicy(quiet=60, grace=30, idle=14 * 86_400)
"""The settings as they come."""

DELAY = 15
"""The longest that a message may take each way, in seconds, with these settings."""


class Row(NamedTuple):
    """What the table reads and writes of a grant."""

    spent: int
    current: int
    touched: float
    answered: float
    ended: bool = False


def advance(row: Row, serial: int, now: float, pace: RotationPolicy) -> tuple[Verdict, Row]:  # noqa: PLR0911 - a table has rows
    """Present a serial: what it means, and the row afterwards."""
    if row.ended or now - row.answered >= pace.idle:
        return "ended", row
    if serial > row.current:
        return "store_went_back", Row(row.spent, serial + SKIP, now, now)
    if serial == row.current and now - row.touched >= pace.quiet:
        return "advanced", Row(row.current, row.current + 1, now, now)
    if serial == row.current:
        return "same", row._replace(answered=now)
    if serial >= row.spent and row.current - row.spent >= SKIP:
        return "same", row._replace(touched=now, answered=now)
    if serial == row.spent and now - row.answered <= pace.grace:
        return "same", row._replace(touched=now, answered=now)
    if serial == row.spent:
        return "reissued", Row(row.spent, row.current + 1, now, now)
    return "stolen", row._replace(ended=True)
