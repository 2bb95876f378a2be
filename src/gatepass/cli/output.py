"""Output of the command line: results on stdout, everything else on stderr; every error has a hint."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.")]


def say(text: str) -> None:
    """Print a message that is not part of the result."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - the command line prints


def how_to_type_it() -> str | None:
    """How to start this program where `gatepass` is not on the PATH, as after `make serve`; None where it is."""
    program = Path(sys.argv[0]).absolute()
    found = shutil.which("gatepass")
    if program.name != "gatepass" or (found and program.exists() and Path(found).samefile(program)):
        return None
    here = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    activate = here.with_name("activate")
    first = f"; or first: . {activate}" if activate.exists() else f"; or first: export PATH={here.parent}:$PATH"
    return f"This program is not on your PATH: type {here}{first}"


def result(text: str) -> None:
    """Print a line of the result."""
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"Cannot write the result: {error.strerror}.", "Free some space where standard output is written.")


def result_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print the result for a program."""
    result(json.dumps(value, indent=2, ensure_ascii=False))


def result_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print the result as a table."""
    lines = [tuple(head), *map(tuple, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        result("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def time_in_words(seconds: float | None) -> str:
    """A time in UTC, to the second; a dash where there is none."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(number: int, unit: str) -> str:
    """How many of them there are: `1 minute`, `2 minutes`."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def fail(message: str, hint: str) -> NoReturn:
    """Print an error and what to do about it, and exit with status 1."""
    say(f"error: {message}")
    say(f"hint: {hint}")
    raise SystemExit(1)
