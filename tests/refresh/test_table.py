"""The SQL and the model are one table: the same walk leads both through the same verdicts and the same rows."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import SOAK
from tests.refresh.model import SKIP, Row, advance
from tests.refresh.servers import FIRST

from gatepass.server.domain.sessions.grant import RotationPolicy
from gatepass.server.store.grants import SERIALS_TO_SKIP

if TYPE_CHECKING:
    from tests.refresh.servers import SqliteServer

GAPS = st.sampled_from([0.0, 0.25, 1.0, 29.75, 30.0, 30.25, 59.75, 60.0, 60.25, 1_000.0]) | st.floats(0, 120)
SERIALS = st.tuples(
    st.sampled_from(["current", "spent"]), st.just(0) | st.integers(-2, 2) | st.sampled_from([-SKIP, SKIP // 2, SKIP])
)
PACES = st.builds(
    RotationPolicy,
    quiet=st.just(60) | st.sampled_from([0, 30, 120]),
    grace=st.just(30) | st.sampled_from([0, 60]),
    idle=st.sampled_from([500, 10_000]),
)
GRANTS = count()


@given(st.lists(st.tuples(GAPS, SERIALS), min_size=1, max_size=30), PACES)
@settings(
    max_examples=1_000 if SOAK else 100,  # every step of a walk is synced to the disk
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each walk begins a grant of its own
)
def test_the_sql_does_what_the_model_does(
    store: SqliteServer, walk: list[tuple[float, tuple[Literal["current", "spent"], int]]], pace: RotationPolicy
) -> None:
    """At any time, any serial, and any settings: one verdict, one row."""
    grant, now = next(GRANTS), 0.0
    store.open(grant, now)
    row = Row(0, FIRST, now, now)
    for gap, (near, distance) in walk:
        now += round(gap * 64) / 64  # binary fractions, of which no sum is rounded
        serial = max(0, getattr(row, near) + distance)
        verdict, row = advance(row, serial, now, pace)
        assert store.present(grant, serial, now, pace)[0] == verdict
        assert store.row(grant) == row


def test_the_model_jumps_as_far_as_the_sql() -> None:
    """The one number that both spell out."""
    assert SKIP == SERIALS_TO_SKIP
