"""What exists in the code is in the documentation."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_reference_pages_are_as_the_code_says() -> None:
    """Settings, errors, routes, commands and algorithms: `make reference` would change nothing."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def pages_in(navigation: str) -> set[str]:
    """Return the pages that the navigation names, at any depth."""
    return set(re.findall(r"[\w/-]+\.md", navigation))


def test_every_page_can_be_reached() -> None:
    """The navigation names every page, and no page that is not there."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text())
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert pages_in(str(config["project"]["nav"])) == pages


@pytest.mark.parametrize("package", ["jose", "verify"])
def test_every_public_name_is_in_the_reference(package: str) -> None:
    """What a package exports has its place on the package's page; errors have one on theirs."""
    exported = set(importlib.import_module(f"gatepass.{package}").__all__) - {"JoseError"}
    page = (DOCS / "reference" / f"{package}.md").read_text()
    errors = {"errors"} if package == "jose" else set[str]()
    assert exported - errors - set(re.findall(rf"^::: gatepass\.{package}\.(\w+)", page, re.MULTILINE)) == set()


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_what_a_page_at_the_root_points_at_is_there(page: Path) -> None:
    """Links to files, and files that are named in code, exist; the site's own pages are checked when it is built."""
    text = page.read_text()
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:docs|tests|examples|src|scripts|requirements)/[\w./-]+)`", text)
    assert [name for name in (*linked, *named) if not (ROOT / name).exists()] == []
