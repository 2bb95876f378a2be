"""Programs for Node.js that are somebody else's, installed by their lock; tests that need them are skipped without."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_OLDEST_NODE = 20


def node() -> str:
    """Where Node.js is. Skips the test where it is not, or too old."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("this needs Node.js and npm, which are not here")
    version = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < _OLDEST_NODE:
        pytest.skip(f"this needs Node.js {_OLDEST_NODE}, and here is {version.strip()}")
    return found


def installed(source: Path) -> Path:
    """The folder where a program and what it needs are, by its lock; done once, whichever test process comes first."""
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:16]
    name = source.name.replace("_", "-")
    cache = _ROOT / ".cache"
    folder = cache / f"{name}-{digest}"
    cache.mkdir(exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(source, folder)
            npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(npm, cwd=folder, check=False, capture_output=True, text=True, timeout=120)
            if done.returncode:
                pytest.skip(f"{name} cannot be installed: {done.stderr[-300:]}")
            (folder / "done").touch()
    for script in source.glob("*.mjs"):
        shutil.copy(script, folder)
    return folder
