"""What kinds of events are called: as people read it of their own account, or by the name that the log has."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from gatepass.server.domain.events.event import EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping


def event_names(known: Mapping[str, str]) -> dict[str, str]:
    """A name for every kind in the texts of a language, in the order of the log's own names."""
    return {kind: known.get(f"event.{kind}", kind.replace("_", " ")) for kind in get_args(EventKind)}
