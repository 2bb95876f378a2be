"""docs/specs.md names code and tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "specs.md").read_text()
NAMED = re.compile(r"`((?:src|tests)/[\w/]+\.py)(?:::(\w+))?`")


def test_what_is_named_exists() -> None:
    """Every file is there, and has the test that is named after it."""
    named = NAMED.findall(PAGE)
    assert named
    missing = [f"{file}::{name}" for file, name in named if not _exists(ROOT / file, name)]
    assert missing == []


def test_every_row_is_proven() -> None:
    """Each row of a table names code and a test."""
    rows = [line for line in PAGE.splitlines() if line.startswith(("| RFC", "| OpenID"))]
    assert rows
    assert [row for row in rows if "`src/" not in row or "`tests/" not in row] == []


def _exists(path: Path, name: str) -> bool:
    if not path.is_file() or not name:
        return path.is_file()
    functions = (node.name for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef))
    return name in functions
