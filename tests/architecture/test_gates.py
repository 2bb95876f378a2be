"""What hooks are asked about has one place each: whatever road leads there passes it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "gatepass"
GATES = "server/domain/hooks/gates.py"
PLACES = {
    "users.add": {GATES},
    "sessions.add": {
        GATES,
        "server/domain/sessions/impersonation.py",  # an operator acts in a person's name, who does not sign in
    },
    "users.set_email": {
        GATES,
        "server/features/recovery/lock.py",  # gives an account back the address that it had
    },
}
"""Which modules may call what."""


def callers(call: str) -> set[str]:
    """The modules that call a method of a store."""
    store, method = call.split(".")
    return {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute)
        and node.attr == method
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == store
    }


@pytest.mark.parametrize("call", PLACES)
def test_accounts_addresses_and_sessions_are_made_at_the_gates(call: str) -> None:
    """A new road that would pass by the hooks does not find its way into the store."""
    assert callers(call) == PLACES[call]
