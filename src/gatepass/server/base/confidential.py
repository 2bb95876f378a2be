"""Messages whose values are nobody's business but the caller's."""

from __future__ import annotations

import msgspec


class Confidential(msgspec.Struct, frozen=True):
    """A struct with a password or a token in it: where it is shown, in a log or an error tracker, only its name is."""

    def __repr__(self) -> str:
        """Show the kind of message."""
        return f"{type(self).__name__}(…)"
