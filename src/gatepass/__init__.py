"""A complete login server, API verifier and JWT library for Python."""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    """Look up the version on demand, so that importing `gatepass.jose` stays fast."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - as said

    return version("gatepass")
