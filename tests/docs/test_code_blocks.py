"""The Python in README.md and docs/ runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from sybil import Sybil
from sybil.parsers.abstract.lexers import LexerCollection
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

if TYPE_CHECKING:
    from sybil.typing import Evaluator

ROOT = Path(__file__).parents[2]


class TitledCodeBlockParser(CodeBlockParser):
    """Python blocks, which may have a file's name as their title."""

    def __init__(self, language: str | None = None, evaluator: Evaluator | None = None) -> None:
        super().__init__(language, evaluator)
        pattern = re.compile(r'(?P<language>python)(?: title="[^"]+")?$\n', re.MULTILINE)
        titled = RawFencedCodeBlockLexer(pattern, {"language": "arguments", "source": "source"})
        self.lexers = LexerCollection([titled])


class PythonParser(PythonCodeBlockParser):
    """The same, in a namespace of the page's."""

    codeblock_parser_class: type[CodeBlockParser] = TitledCodeBlockParser


SYBIL = Sybil(parsers=[PythonParser(), SkipParser()])
FILES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = [path for path in FILES if "```python" in path.read_text()]


def run(path: Path) -> None:
    """Run the blocks of a page, in a module as a reader's would be."""
    document = SYBIL.parse(path)
    module = ModuleType("page")
    module.__file__ = str(path.with_suffix(".py"))
    document.namespace = vars(module)
    examples = list(document.examples())
    assert examples
    sys.modules["page"] = module
    try:
        for example in examples:
            example.evaluate()
    finally:
        del sys.modules["page"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_run_in_order(path: Path) -> None:
    """Each block runs after the ones above it on its page, and each `assert` in it holds."""
    if "settings.configure(" not in path.read_text():
        run(path)
        return
    # Django has one configuration a process.
    program = "import sys, pathlib; from tests.docs.test_code_blocks import run; run(pathlib.Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_there_are_pages_with_code() -> None:
    """The list above is not empty by accident."""
    assert ROOT / "README.md" in PAGES
