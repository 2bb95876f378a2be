"""The base of the settings' sections."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

DAY = 86_400
Seconds: TypeAlias = Annotated[int, Meta(ge=0)]

IN_FILE = Meta(extra={"in_file": True})
"""Marks a setting that may be in a file instead, named by `NAME_file`."""
SECRET = Meta(extra={"in_file": True, "secret": True})
"""Marks a setting that is also never shown."""
Secret: TypeAlias = Annotated[str, SECRET]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that belong together."""

    def check(self) -> None:
        """Refuse settings that contradict each other, in this section and those before it.

        Raises:
            StartupError: what is wrong, and what to write instead.
        """
