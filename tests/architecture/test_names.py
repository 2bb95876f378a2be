"""One name, one thing: a reader who has met a class knows what its name means everywhere."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "gatepass"

SIBLINGS = {
    "Bearer": "every framework has one, and it is used in the same way",
    "Clock": "what tests of an API set is what the server would take for a clock",
    "Needs": "every act says by it what it uses of the core",
}
"""Classes that share their name by design, and why."""


def class_names() -> Counter[str]:
    """Count the modules that have a class of a name; one inside another class is a matter of that class."""
    trees = [ast.parse(path.read_bytes()) for path in SOURCE.rglob("*.py")]
    return Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.ClassDef))


def test_no_two_modules_have_a_class_of_the_same_name() -> None:
    """Whoever searches for a class finds one; siblings by design are listed, and the list is not longer than needed."""
    assert {name for name, modules in class_names().items() if modules > 1} == SIBLINGS.keys()
