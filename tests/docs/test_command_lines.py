"""The command lines in the documentation are ones that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gatepass.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md")))
LINES = [
    (page, line)
    for page in PAGES
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^\$ gatepass (.*)", block, re.MULTILINE)
]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.name}: {line}" for page, line in LINES])
def test_a_command_line_in_the_documentation_is_taken(page: Path, line: str) -> None:
    """The command and each of its options exist, and nothing that is required is missing."""
    command, _, _ = app.parse_args(shlex.split(line, comments=True), exit_on_error=False, print_error=False)
    assert command.__module__.startswith("gatepass.cli."), page


def test_an_option_that_does_not_exist_is_noticed() -> None:
    """The test above can fail."""
    assert LINES
    with pytest.raises(Exception, match="--no-such-option"):
        app.parse_args(["user", "list", "--no-such-option"], exit_on_error=False, print_error=False)
