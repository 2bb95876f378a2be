"""The command line helps: hints name commands that exist, nothing is cut, mistakes are named as they are written."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclopts import CycloptsError, MissingArgumentError
from tests.support.server import ANN, OUTBOX, running_server

import gatepass
from gatepass.cli import entry
from gatepass.cli.main import app, main
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = sorted(Path(gatepass.__file__).parent.rglob("*.py"))
QUOTED = re.compile(r"`gatepass ([a-z][^`]*)`")
FINAL = re.compile(r"(?:: |\A|, or |or create a database: )gatepass ([a-z][^,.`]*)")
"""A hint can also begin or end with a command, without quotes."""


def texts(file: Path) -> Iterator[str]:
    """Every text of a module that is no docstring; what a format fills in is a word."""
    source = file.read_text("utf-8")
    if "gatepass " not in source:
        return
    tree = ast.parse(source)
    skipped = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def commands() -> list[str]:
    """Every command that a text of ours names."""
    every = (text for file in SOURCES for text in texts(file))
    return sorted({found.strip() for text in every for rule in (QUOTED, FINAL) for found in rule.findall(text)})


def test_hints_name_commands_that_exist() -> None:
    """A command that a hint, a setting or an answer of the API names is one, with its options."""
    found = commands()
    assert {"user list", "serve", "mail preview", "user delete X --yes", "key rotate --now"} <= set(found)
    for line in found:
        with suppress(MissingArgumentError):  # a hint need not say all that a command takes
            app.parse_args(shlex.split(line), exit_on_error=False, print_error=False)
    with pytest.raises(CycloptsError, match="lst"):
        app.parse_args(["user", "lst"], exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("GATEPASS_PORTT", "Did you mean GATEPASS_PORT?"),
        ("GATEPASS_SMTP_PASWORD_FILE", "Did you mean GATEPASS_SMTP_PASSWORD_FILE?"),
    ],
)
def test_a_variable_that_is_none_is_named_as_it_is_written(variable: str, hint: str) -> None:
    """The message and the suggestion are variables, as in the environment."""
    with pytest.raises(StartupError, match=variable) as refused:
        load(environment={variable: "1"})
    assert refused.value.hint == hint


def test_help_in_a_pipe_is_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is cut or folded where there is no terminal, and no default is Python's spelling of nothing."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "argv", ["gatepass", "user", "add", "--help"])
    entry.main()
    shown = capsys.readouterr().out
    assert "Add a user. The password is prompted for, or read from the first line of standard input.\n" in shown
    assert "prints the code that the first factor needs." in shown
    for odd in ("…", "[default: ()]", "[default: False]", '[default: ""]'):
        assert odd not in shown


def test_shells_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """The script knows commands and options. Scripts for the other shells are made from the same tree."""
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert "reset-factors" in script
    assert "data-dir" in script


def test_events_are_readable_and_links_know_the_port(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with words, or JSON; and the link that a command mails leads to the server that sends the mail."""
    with running_server(tmp_path) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        assert api.post("/login", json=ANN | {"password": "wrong"}).status_code == 401
        main(["user", "events", ANN["email"], *server.place])
        head, created, refused = capsys.readouterr().out.splitlines()
        assert head.split() == ["time", "event", "details", "by", "address", "device"]
        assert "Account created" in created
        assert "Sign-in refused" in refused
        assert "wrong_password" in refused
        monkeypatch.setenv("GATEPASS_PORT", "1")
        main(["user", "invite", "bob@example.test", *server.place])
        assert f"{server.url}/pages/reset?token=" in api.get(OUTBOX).text
