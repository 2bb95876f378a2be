"""What is told of the error of a hook."""

from __future__ import annotations

import traceback
from pathlib import Path

import gatepass

_OURS = str(Path(gatepass.__file__).parent)


def type_and_place(error: BaseException) -> str:
    """Its type, and the line of the plugin that it came from: `KeyError at my_plugin.py:12`.

    Without its text, which may hold more than a log should: an address, a password.
    """
    frames = traceback.extract_tb(error.__traceback__)
    theirs = next((frame for frame in frames if not frame.filename.startswith(_OURS)), None)
    name = type(error).__name__
    return name if theirs is None else f"{name} at {Path(theirs.filename).name}:{theirs.lineno}"
