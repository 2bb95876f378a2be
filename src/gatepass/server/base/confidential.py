"""Messages whose values must not appear in logs."""

from __future__ import annotations

import msgspec


class Confidential(msgspec.Struct, frozen=True):
    """A struct with a password or token in it: logs and error trackers see only its name."""

    def __repr__(self) -> str:
        """Show only the struct's name."""
        return f"{type(self).__name__}(…)"
