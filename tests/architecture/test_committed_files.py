"""What must never be committed: where one machine keeps things, and where one network fetches them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GIT = shutil.which("git")
FRAGMENT = re.compile(r"(\+[a-z0-9-]+|\d+)\.(added|changed|deprecated|removed|fixed|security)\.md")

# The brackets keep this file from finding itself.
FORBIDDEN = re.compile(
    rb"""
      [p]ypi\.org | [p]ythonhosted\.org | [n]pmjs\.(?:org|com) | [d]eb\.debian\.org | [a]rchive\.ubuntu\.com
    | [c]rates\.io | (?:[^\w.]|^)/[r]oot/ | (?:[^\w.]|^)/[h]ome/\w | /[U]sers/\w | (?:[^\w.]|^)/[w]ork/ | /[t]mp/wt
    """,
    re.VERBOSE,
)


@pytest.fixture(scope="module")
def committed() -> list[Path]:
    """Return the files that git tracks or would add."""
    if GIT is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(
        [GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    )
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_registry_host_and_no_path_of_one_machine(committed: list[Path]) -> None:
    """A fresh clone works anywhere: no committed file names a registry's host or a folder of somebody's machine."""
    assert committed
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group().decode()}"
        for path in committed
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if (match := FORBIDDEN.search(line))
    ]
    assert found == []


def test_nothing_is_a_symbolic_link(committed: list[Path]) -> None:
    """Windows, and archives of a checkout, would make a file of a link that holds the path to which it leads."""
    assert [str(path.relative_to(ROOT)) for path in committed if path.is_symlink()] == []


def test_changelog_fragments_are_named_for_towncrier(committed: list[Path]) -> None:
    """Every fragment has a name that towncrier puts under a heading, and says something."""
    fragments = [path for path in committed if path.parent.name == "changelog.d" and path.name != ".gitkeep"]
    assert [path.name for path in fragments if not FRAGMENT.fullmatch(path.name)] == []
    assert [path.name for path in fragments if not path.read_text().strip()] == []


def test_the_next_changelog_tells_every_fragment(committed: list[Path]) -> None:
    """What towncrier would write holds each fragment; one of a kind that it does not know would be left out."""
    done = subprocess.run(
        [Path(sys.executable).with_name("towncrier"), "build", "--draft", "--version", "next"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    written = " ".join(done.stdout.split())
    fragments = [path for path in committed if path.parent.name == "changelog.d" and path.suffix == ".md"]
    assert [path.name for path in fragments if " ".join(path.read_text().split()) not in written] == []
