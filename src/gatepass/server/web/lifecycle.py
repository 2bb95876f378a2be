"""The state of a process, for health checks."""

from __future__ import annotations


class Lifecycle:
    """The process starts, listens, and drains before it ends.

    Attributes:
        is_listening: Set when every address of the server is served: one may answer before the others do.
        is_draining: Set when the server is about to end: then it is not ready, whatever else.
    """

    def __init__(self) -> None:
        self.is_listening = False
        self.is_draining = False
