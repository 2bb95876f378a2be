"""Fuzz one target with atheris: `python tests/fuzz/run.py jws -max_total_time=60 [corpus folder …]`.

Options are libFuzzer's. `make fuzz` runs every target in turn.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

atheris: Any = importlib.import_module("atheris")  # in the fuzzing lock only

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["gatepass", "tests", "json"]):
    from tests.fuzz import targets


def main() -> None:
    """Write the seeds of the target into a corpus folder and fuzz until the time is over or an input breaks a word."""
    _, name, *options = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(targets.seeds(name)):
            (Path(folder) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], *options, folder], targets.TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
