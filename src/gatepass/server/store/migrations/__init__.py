"""Numbered SQL files, the same for every database; `apply` runs those that a database has not had yet."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import NamedTuple

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(NamedTuple):
    """One step: its number, its name, and its statements in order."""

    number: int
    name: str
    statements: tuple[str, ...]


def all_migrations() -> tuple[Migration, ...]:
    """Every migration that this version knows, in order."""
    found: list[Migration] = []
    for file in files("gatepass.server.store.migrations").iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            statements = tuple(filter(None, (part.strip() for part in file.read_text("utf-8").split(";\n"))))
            found.append(Migration(int(match[1]), match[2], statements))
    return tuple(sorted(found))
