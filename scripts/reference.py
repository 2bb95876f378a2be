"""Write docs/reference/*.md from the code, or with `--check` say which of them differ from it.

What is written here is written nowhere else by hand, so it cannot fall behind.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gatepass.jose import algorithms as jose_algorithms
from gatepass.jose import errors as jose_errors
from gatepass.jose.errors import JoseError
from gatepass.verify import errors as verify_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make reference` from the code; change it there. -->\n\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def first_paragraph(thing: object) -> str:
    """Return the first paragraph of a docstring, on one line, its code in Markdown's."""
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def error_rows(module: ModuleType) -> list[list[str]]:
    """Describe the errors that a module defines, in its order, without those that are only a base of others."""
    defined = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    return [
        [f"`{one.code}`", f"`{one.__name__}`", first_paragraph(one)]
        for one in defined
        if issubclass(one, JoseError) and not first_paragraph(one).startswith("The base of")
    ]


def errors() -> str:
    """Every code of every layer."""
    return f"""# Errors

Compare codes, not texts: a code is stable, a text may get better.

## `gatepass.jose`

Each is a class in `gatepass.jose.errors`, a subclass of `JoseError`, with the code as its `.code`. Errors about one
claim are `ClaimError`s and name it in `.claim`.

{table(["code", "class", "when"], error_rows(jose_errors))}
## `gatepass.verify`

Also `JoseError`s, in `gatepass.verify.errors`. `gatepass.verify.challenge` turns either kind into a status and a
`WWW-Authenticate` header.

{table(["code", "class", "when"], error_rows(verify_errors))}"""


# ── algorithms ──────────────────────────────────────────────────────────────────────────────────────────────────────


def algorithms() -> str:
    """Every row of the table."""
    rows = [
        [f"`{row.name}`", row.kty, row.crv or f"{row.bits:,} bits at least"]
        for row in jose_algorithms.SIGNATURES.values()
    ]
    return f"""# Algorithms

A key has exactly one of these ([why](../adr/0003-one-algorithm-per-key.md)). `none` is not among them.

{table(["`alg`", "key type", "curve or size"], rows)}"""


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PAGES: dict[str, Callable[[], str]] = {
    "algorithms.md": algorithms,
    "errors.md": errors,
}


def main(arguments: list[str]) -> int:
    """Write or check, and return the exit code."""
    written = {FOLDER / name: NOTE + page().rstrip("\n") + "\n" for name, page in PAGES.items()}
    stale = [path for path, text in written.items() if not path.exists() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in stale:
            sys.stderr.write(f"error: docs/reference/{path.name} differs from the code\nhint: make reference\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(written[path])
        sys.stderr.write(f"wrote docs/reference/{path.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
