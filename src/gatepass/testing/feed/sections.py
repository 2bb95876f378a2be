"""The sections of docs/protocol/revocation.md, which every complaint names."""

from __future__ import annotations

from enum import StrEnum


class PageSection(StrEnum):
    """A heading of the page."""

    DISCOVERY = "Discovery"
    REVOKED = "What can be revoked"
    DOCUMENTS = "Documents"
    STATUS_LIST = "Status list"
    SNAPSHOT = "Snapshot"
    EVENT = "Event"
    HEARTBEAT = "Heartbeat"
    ORDER = "Order"
    STREAM = "The stream"
    CLOCKS = "Clocks"
    FETCHING = "When to fetch"
    FAILURE = "At each failure"
    BOUNDS = "Bounds"
