"""What kinds of events are called: as people read it of their own account, or by the name that the log has."""

from __future__ import annotations

from typing import get_args

from gatepass.server.base.texts import texts
from gatepass.server.domain.events.event import EventKind


def event_names(language: str) -> dict[str, str]:
    """A name for every kind, in the order of the log's own names."""
    known = texts(language)
    return {kind: known.get(f"event.{kind}", kind.replace("_", " ")) for kind in get_args(EventKind)}
