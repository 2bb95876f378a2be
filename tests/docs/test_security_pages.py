"""The pages under docs/security/ name tests that exist, and name every attack."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "security").glob("*.md"))
ATTACKS = sorted((ROOT / "tests" / "attacks").glob("test_*.py"))
TEST_ID = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@cache
def functions_of(path: Path) -> set[str]:
    """Return the names of a file's test functions."""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    functions = (node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_test_that_is_named_exists() -> None:
    """A test id on a security page is a file here and a function in it."""
    named = [match.groups() for page in PAGES for match in TEST_ID.finditer(page.read_text())]
    assert named
    missing = [
        (file, name)
        for file, name in named
        if not (ROOT / file).is_file() or (name is not None and name not in functions_of(ROOT / file))
    ]
    assert missing == []


def test_every_attack_is_on_a_page() -> None:
    """Each file of tests/attacks/ is named, so a reader finds what it defends against."""
    text = "".join(page.read_text() for page in PAGES)
    assert [path.name for path in ATTACKS if f"tests/attacks/{path.name}" not in text] == []
