"""The command lines in the documentation are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gatepass.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "CONTRIBUTING.md",
)
BLOCKS = [
    (page, block.replace("\\\n", ""))
    for page in PAGES
    for block in re.findall(r"^```sh[^\n]*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]
LINES = [
    (page, line)
    for page, block in BLOCKS
    for line in re.findall(r"^(?:\w+=\S+ )*(?:\.venv/bin/)?gatepass (.*)", block, re.MULTILINE)
]
TASKS = ROOT / "docs" / "operate" / "tasks.md"
LINES += [(TASKS, line) for line in re.findall(r"\| `gatepass ([^`]+)`", TASKS.read_text())]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.name}: {line}" for page, line in LINES])
def test_a_command_line_in_the_documentation_is_taken(page: Path, line: str) -> None:
    """The command and each of its options exist, and nothing that is required is missing."""
    command, _, _ = app.parse_args(shlex.split(line, comments=True), exit_on_error=False, print_error=False)
    assert command.__module__.startswith("gatepass.cli."), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_the_copy_button_copies_can_be_typed(page: Path) -> None:
    """Commands stand in blocks of `sh`, without a prompt and apart from what they print."""
    text = page.read_text()
    assert "\n$ " not in text, "commands stand in ```sh, without the prompt; what they print in a block of its own"


def test_an_option_that_does_not_exist_is_noticed() -> None:
    """The test above can fail."""
    assert LINES
    with pytest.raises(Exception, match="--no-such-option"):
        app.parse_args(["user", "list", "--no-such-option"], exit_on_error=False, print_error=False)
