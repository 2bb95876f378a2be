"""The `gatepass` command, which exists even where its dependencies are not installed."""

from __future__ import annotations

import os
import sys

_WIDE = "200"
"""Columns of the help where there is no terminal: in a pipe or a file, no line is cut or folded."""


def main() -> None:
    """Run the command line, or say how to install its dependencies."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", _WIDE)
    try:
        from gatepass.cli.main import main as run  # noqa: PLC0415 - it may not be importable

        run()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "gatepass":
            raise  # a defect in Gatepass
        sys.stderr.write(f"error: The command line needs {error.name}, which is not installed.\n")
        sys.stderr.write("hint: pip install 'gatepass[server]'\n")
        raise SystemExit(1) from None
