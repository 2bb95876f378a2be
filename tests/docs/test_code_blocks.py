"""The Python in README.md and docs/ runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
SYBIL = Sybil(parsers=[PythonCodeBlockParser(), SkipParser()])
FILES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = [path for path in FILES if "```python" in path.read_text()]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_in_order(path: Path) -> None:
    """Each block runs after the ones above it on its page, and each `assert` in it holds."""
    document = SYBIL.parse(path)
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()


def test_there_are_pages_with_code() -> None:
    """The list above is not empty by accident."""
    assert ROOT / "README.md" in PAGES
