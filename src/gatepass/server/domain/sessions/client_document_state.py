"""What is known of the metadata documents that clients are (see `client_documents`)."""

from __future__ import annotations

from typing import Protocol

import msgspec

GONE_SECONDS = 86_400
"""How long a client goes on without its document."""


class DocumentState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a document. Times in seconds since 1970; `missing_since` is None while it is there."""

    client_id: str
    fresh_until: float
    missing_since: float | None = None


class DocumentStates(Protocol):
    """The store of what is known of documents."""

    async def of(self, client_id: str) -> DocumentState | None:
        """What is known of a client's document."""
        ...

    async def put(self, state: DocumentState) -> None:
        """Keep it, in the place of what was known."""
        ...
