"""`docs/scale.md` says what the simulation says, and the simulation answers as it must."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "scale.md"

# By its path: with the folder on sys.path, bench/jose.py would hide the package of that name.
_spec = importlib.util.spec_from_file_location("bench_scale", ROOT / "bench" / "scale.py")
assert _spec is not None
assert _spec.loader is not None
scale = importlib.util.module_from_spec(_spec)
sys.modules["bench_scale"] = scale
_spec.loader.exec_module(scale)
World, reckon, rows = scale.World, scale.reckon, scale.rows

_TABLE = re.compile(r"(\|---\|---:\|---\|\n).*?(?=\n\n)", re.DOTALL)


def test_the_page_has_the_figures() -> None:
    """The table is what `bench/scale.py` prints."""
    table = "\n".join(rows(reckon(World())))
    text = PAGE.read_text()
    if os.environ.get("WRITE_DOCS"):
        text = _TABLE.sub(lambda found: found[1] + table, text, count=1)
        PAGE.write_text(text)
    assert table in text


def test_the_simulation_follows_its_world() -> None:
    """Twice the verifiers ask a CDN twice as often, and a node no more; twice the regions ask that twice as often.

    What is only reckoned is proportional.
    """
    small = World(verifiers=1_000)
    base, more, wider = (
        reckon(world, seconds=600) for world in (small, small._replace(verifiers=2_000), small._replace(regions=6))
    )
    assert 1.9 < more.fetches_at_verifiers / base.fetches_at_verifiers < 2.1
    assert 0.9 < more.fetches_at_origin / base.fetches_at_origin < 1.1
    assert 1.9 < wider.fetches_at_origin / base.fetches_at_origin < 2.1
    assert more.messages_per_second == 2 * base.messages_per_second
    assert (
        reckon(small._replace(sessions=200_000_000), seconds=60).refreshes_per_second == 2 * base.refreshes_per_second
    )
