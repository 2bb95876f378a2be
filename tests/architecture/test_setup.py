"""Setting up from nothing: the targets that people know, and a hint instead of a riddle where something is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"
TARGETS = ("setup", "serve", "demo", "test", "check", "fuzz", "soak", "bench", "docs")


def run(*command: str | Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command, with another PATH if one is given."""
    environment = os.environ if path is None else {"PATH": path}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)


def program(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_the_targets_that_are_promised(target: str) -> None:
    """`make` can work out what to do for every target that the README and the contributor's guide name."""
    done = run("make", "--dry-run", target)
    assert done.returncode == 0, done.stderr


def test_this_python_will_do() -> None:
    """The Python of these tests passes the check."""
    assert run(SCRIPTS / "check-python", sys.executable).returncode == 0


def test_no_python_gets_a_hint() -> None:
    """A name that is no program is said to be the trouble."""
    done = run(SCRIPTS / "check-python", "no-such-python")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no-such-python was not found\nhint: ")


def test_an_old_python_gets_a_hint(tmp_path: Path) -> None:
    """The version that is there and the version that is needed are both named."""
    python = program(tmp_path / "python3", '[ "$1" = -V ] && echo "Python 3.9.2" || exit 1')
    done = run(SCRIPTS / "check-python", python)
    assert done.returncode == 1
    assert f"error: Gatepass needs Python 3.11 or newer, and {python} is Python 3.9.2\nhint: " in done.stderr


def test_a_python_without_venv_gets_a_hint(tmp_path: Path) -> None:
    """Debian's Python without python3-venv is told apart from a broken one."""
    python = program(tmp_path / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    done = run(SCRIPTS / "check-python", python)
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_no_chromium_and_no_apt_gets_a_hint(tmp_path: Path) -> None:
    """Where a browser can neither be found nor installed, the message says what to install."""
    done = run("/bin/sh", SCRIPTS / "ensure-chromium", path=str(tmp_path))
    assert done.returncode == 1
    assert "apt install chromium" in done.stderr


def test_a_browser_that_does_not_start_does_not_count(tmp_path: Path) -> None:
    """Ubuntu's chromium-browser may only point at a snap; a browser counts when it says its version."""
    program(tmp_path / "chromium-browser", "exit 10")
    assert run("/bin/sh", SCRIPTS / "ensure-chromium", path=str(tmp_path)).returncode == 1
    program(tmp_path / "google-chrome", "echo Google Chrome 150")
    assert run("/bin/sh", SCRIPTS / "ensure-chromium", path=str(tmp_path)).returncode == 0


def test_locks_hold_exact_versions_with_hashes() -> None:
    """Nothing is installed that was not locked: every line of every lock is a version and its hashes."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {lock.stem for lock in locks} == {"dev", "docs", "fuzz", "server", "uv"}
    for lock in locks:
        entries = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert entries
        for line in entries:
            assert "==" in line or line.startswith("    --hash=sha256:"), f"{lock.name}: {line}"


def test_ci_runs_what_people_run() -> None:
    """Continuous integration has one script, which can be executed."""
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", script).returncode == 0


@pytest.mark.parametrize(("user", "prefix"), [("0", ""), ("1000", "sudo -n ")], ids=["root", "sudo"])
def test_packages_are_installed_without_asking(tmp_path: Path, user: str, prefix: str) -> None:
    """As root, or with a sudo that needs no password; a machine without a list of packages fetches it first."""
    log, lists = tmp_path / "log", tmp_path / "lists"
    program(tmp_path / "id", f"echo {user}")
    program(tmp_path / "true", "exit 0")
    program(tmp_path / "sudo", 'prefix="sudo $1 "; shift; export prefix; exec "$@"')
    program(
        tmp_path / "apt-get",
        f'echo "${{prefix}}$1" >> {log}; case $1 in update) : > {lists};; install) [ -e {lists} ];; esac',
    )
    done = run("/bin/sh", SCRIPTS / "apt-install", "chromium", path=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == [f"{prefix}install", f"{prefix}update", f"{prefix}install"]


def test_packages_are_not_installed_without_permission(tmp_path: Path) -> None:
    """Neither root nor a sudo without a password: nothing is tried, and nobody is asked."""
    program(tmp_path / "id", "echo 1000")
    program(tmp_path / "sudo", "exit 1")
    program(tmp_path / "apt-get", f"echo called > {tmp_path}/log")
    assert run("/bin/sh", SCRIPTS / "apt-install", "chromium", path=str(tmp_path)).returncode == 1
    assert not (tmp_path / "log").exists()
