"""The layers of the package, and what an import costs its user."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gatepass"
VAGUE = {"helper", "helpers", "misc", "util", "utils"}


def modules_after(statement: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter holds after `statement`."""
    program = f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def holds_code(path: Path) -> bool:
    """Say whether a module holds more than its docstring and its imports from `__future__`."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        for node in ast.parse(path.read_bytes()).body
    )


def runs_inside_a_transaction(node: ast.AST) -> bool:
    """Say whether a function is handed a transaction, so that it runs between its beginning and its commit."""
    return isinstance(node, ast.AsyncFunctionDef) and any(
        isinstance(each.annotation, ast.Name) and each.annotation.id == "Transaction" for each in node.args.args
    )


def is_of_the_start(raised: ast.Raise) -> bool:
    """Say whether it keeps the server from starting."""
    return isinstance(raised.exc, ast.Call) and ast.unparse(raised.exc.func) == "StartupError"


def test_nothing_is_raised_before_the_commit() -> None:
    """A unit of work returns its refusal: raising it would take back the revocation or the count that goes with it.

    What is broken may be raised: a server that cannot start has nothing to keep.
    """
    files = sorted((SOURCE / "server").rglob("*.py"))
    inside = [
        (path, each)
        for path in files
        for node in ast.walk(ast.parse(path.read_bytes()))
        if runs_inside_a_transaction(node)
        for each in ast.walk(node)
    ]
    assert inside
    assert [
        f"{path}:{each.lineno}" for path, each in inside if isinstance(each, ast.Raise) and not is_of_the_start(each)
    ] == []


def test_every_import_points_down() -> None:
    """Import-linter finds no module that imports a layer above its own."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_are_named_for_what_they_do() -> None:
    """No module is called `utils` or the like, and none but a package's `__init__` is empty."""
    modules = sorted(SOURCE.rglob("*.py"))
    assert modules
    assert [path for path in modules if path.stem in VAGUE] == []
    assert [path for path in modules if path.name != "__init__.py" and not holds_code(path)] == []


def test_jose_loads_nothing_else_of_ours() -> None:
    """`import gatepass.jose` loads no other part of Gatepass, no HTTP client, no web framework and no event loop."""
    loaded = modules_after("import gatepass.jose")
    ours = {name for name in loaded if name.startswith("gatepass.")}
    assert "gatepass.jose" in ours
    assert {name for name in ours if not name.startswith("gatepass.jose")} == set()
    assert loaded.isdisjoint({"asyncio", "fastapi", "httpx", "sqlite3", "starlette", "uvicorn"})


def test_verify_loads_no_server_no_framework_and_no_http_client() -> None:
    """`import gatepass.verify` leaves frameworks, httpx and Python's own client alone until they are used."""
    loaded = modules_after("import gatepass.verify")
    assert "gatepass.verify" in loaded
    assert {name for name in loaded if name.startswith(("gatepass.server", "gatepass.cli"))} == set()
    frameworks = {"django", "fastapi", "flask", "grpc", "litestar", "rest_framework", "starlette"}
    assert loaded.isdisjoint(frameworks | {"httpx", "redis", "http.client", "urllib.request"})
