"""The messages of the revocation stream, as octets (docs/protocol/revocation.md, The stream)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gatepass.tokens.revocation_event import Position

ALIVE = b": alive\n\n"
"""The connection is open, which proves nothing."""


class _Hint(msgspec.Struct, frozen=True):
    epoch: str
    event_id: int


def hello(position: Position) -> bytes:
    """The current position; unsigned, so only a hint."""
    return _message("hello", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def resync(position: Position) -> bytes:
    """The reader has missed events: it must fetch lists and snapshot again."""
    return _message("resync", msgspec.json.encode(_Hint(position.epoch, position.event_id)))


def revoked(position: Position, token: str) -> bytes:
    """A signed event, with its position as the id from which a reader resumes."""
    return b"id: %s\n" % str(position).encode() + _message("revoked", token.encode())


def heartbeat(token: str) -> bytes:
    """A signed heartbeat with the age of a node's data. As a comment, it is a keep-alive for other clients."""
    return b": heartbeat %s\n\n" % token.encode()


def _message(event: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)
