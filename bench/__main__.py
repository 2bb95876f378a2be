"""Every measurement in turn, or those that are named: `make bench`, `make bench ARGS="jose server"`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run each in a process of its own, so that none warms another up."""
    known = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    chosen = sys.argv[1:] or known
    for name in chosen:
        if name not in known:
            sys.exit(f"error: there is no measurement {name}\nhint: there are {', '.join(known)}")
    for name in chosen:
        print(f"\n── {name} ──", flush=True)
        subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=True)


if __name__ == "__main__":
    main()
