"""JWT authentication for Python: a server, a verifier for your API, and a JOSE library."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: whoever imports `gatepass.jose` need not wait for that."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - as said

    return version("gatepass")
