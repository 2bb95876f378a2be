"""The READMEs of the examples lead from a clone to a running example, and leave nothing out."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = sorted((ROOT / "examples").glob("*/README.md"))
WITH_THE_SERVER = {
    name.replace("-", "_")
    for name in re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "server.txt").read_text(), re.MULTILINE)
}


def typed(readme: Path) -> str:
    """What a reader types."""
    blocks = re.findall(r"^```sh[^\n]*\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    return "".join(blocks).replace("\\\n", "")


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.parent.name)
def test_what_an_example_imports_is_installed(readme: Path) -> None:
    """By `make serve`, or by a line of its README."""
    imported = {
        name.partition(".")[0]
        for file in readme.parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    installed = {word for line in re.findall(r"pip install (.*)", typed(readme)) for word in line.split()}
    assert imported - set(sys.stdlib_module_names) - WITH_THE_SERVER - {"gatepass"} <= installed


@pytest.mark.parametrize("readme", READMES, ids=lambda readme: readme.parent.name)
def test_who_signs_in_has_signed_up_and_what_is_used_is_set(readme: Path) -> None:
    """The same address and password at both calls, and each `$TOKEN` after the line that sets it."""
    text = typed(readme)
    signed_up, signed_in = (
        re.findall(rf"localhost:8000\S*/{call} .*?-d '(.*?)'", text) for call in ("signup", "login")
    )
    assert signed_up == signed_in
    first_use, is_set = text.find("$TOKEN"), text.find("TOKEN=")
    assert first_use == -1 or 0 <= is_set < first_use
