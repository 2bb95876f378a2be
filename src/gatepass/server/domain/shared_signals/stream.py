"""A stream: what one client is told of the people who have signed in there, and how (SSF 1.0 §8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from gatepass.jose.errors import InvalidPolicyError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import STREAM_SCOPES
from gatepass.server.domain.shared_signals.signal_types import SUPPORTED, SignalType  # noqa: TC001 - msgspec reads it
from gatepass.verify.issuer import checked_url

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.sessions.client import Client

PUSH = "urn:ietf:rfc:8935"
POLL = "urn:ietf:rfc:8936"
METHODS = (PUSH, POLL)

StreamStatus: TypeAlias = Literal["enabled", "paused", "disabled"]

MOST_STREAMS = 5
"""Of one client."""
MOST_EVENT_TYPES = 64
"""That one can ask for: more than all specifications together define."""
MOST_EXCLUDED = 10_000
"""People whom a stream is not to tell of."""
LONGEST_TEXT = 256
"""Of a description or a reason; the rest is cut off (SSF §8.1.1)."""
_LONGEST_URL = 2_048
_LONGEST_HEADER = 4_096
VERIFICATION_SECONDS = 60
"""How long a receiver waits between two verifications (`min_verification_interval`)."""


class SignalStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream; times in seconds since 1970.

    Attributes:
        id: Its identifier.
        client_id: The client that it belongs to, which is the audience of what it tells.
        method: `PUSH` or `POLL`.
        endpoint_url: Where it is pushed to; empty for one that is polled.
        authorization_header: What the receiver wants to be sent with each push, sealed; empty for nothing.
        events: The types that it tells.
        events_requested: What the receiver has asked for, also what nobody here knows.
        description: The receiver's own.
        status: Whether it tells, holds or drops what happens.
        reason: Why.
        verified_at: When a verification was last asked for.
        created_at: When it was made.
    """

    id: str
    client_id: str
    method: str
    endpoint_url: str = ""
    authorization_header: bytes = b""
    events: tuple[SignalType, ...] = ()
    events_requested: tuple[str, ...] = ()
    description: str = ""
    status: StreamStatus = "enabled"
    reason: str = ""
    verified_at: float = 0
    created_at: float = 0

    @property
    def is_pushed(self) -> bool:
        """Whether we bring what it tells."""
        return self.method == PUSH

    def header(self, data_key: DataKey) -> str:
        """The header to send with each push; empty for none."""
        sealed = self.authorization_header
        return data_key.unseal(sealed, _context(self.id)).decode() if sealed else ""


class SignalStreams(Protocol):
    """The streams, and whom they are not to tell of."""

    async def add(self, stream: SignalStream) -> None:
        """Add one."""
        ...

    async def by_id(self, stream_id: str) -> SignalStream | None:
        """One."""
        ...

    async def all(self) -> list[SignalStream]:
        """Every one, oldest first."""
        ...

    async def of_client(self, client_id: str) -> list[SignalStream]:
        """Those of a client, oldest first."""
        ...

    async def put(self, stream: SignalStream) -> None:
        """Keep what has changed of one."""
        ...

    async def remove(self, stream_id: str) -> None:
        """Remove one, what it would tell, and whom not."""
        ...

    async def hearing_of(
        self, user_id: str, event: SignalType, *, ended_after: float, now: float
    ) -> list[SignalStream]:
        """Those that tell of an event of a person who has signed in at their client, or had until a moment ago."""
        ...

    async def hearing_at(self, client_id: str, event: SignalType) -> list[SignalStream]:
        """Those of a client that tell of an event."""
        ...

    async def exclude(self, stream_id: str, subject: str) -> None:
        """Tell no more of somebody."""
        ...

    async def include(self, stream_id: str, subject: str) -> None:
        """Tell of somebody again."""
        ...

    async def excluded(self, stream_id: str, subjects: Collection[str]) -> set[str]:
        """Those of the people of whom it does not tell."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Forget whom streams of clients with public names are not to tell of; a pairwise name leads nowhere."""
        ...

    async def excluding(self, subject: str) -> list[SignalStream]:
        """Those that do not tell of somebody whom their clients call so."""
        ...

    async def count_excluded(self, stream_id: str) -> int:
        """How many these are."""
        ...


def may_receive(client: Client | None) -> bool:
    """Whether a client is told anything today: a right is read when it is used."""
    return client is not None and client.disabled_at is None and not STREAM_SCOPES.isdisjoint(client.scope)


def delivered(events_requested: Iterable[str]) -> tuple[SignalType, ...]:
    """The types that a stream tells, of those that were asked for; others are ignored (SSF §8.1.1)."""
    asked = set(events_requested)
    return tuple(name for uri, name in SUPPORTED.items() if uri in asked)


def check_text(name: str, text: str) -> Refusal | None:
    """Refuse what not every database takes, and nobody could read."""
    if not text.isprintable():
        return Refusal("invalid_stream", f"{name} is one line of text that can be seen.")
    return None


def check_requested(events_requested: tuple[str, ...]) -> Refusal | None:
    """Refuse a list without bounds."""
    if len(events_requested) > MOST_EVENT_TYPES or any(len(uri) > _LONGEST_URL for uri in events_requested):
        return Refusal("invalid_stream", f"events_requested has at most {MOST_EVENT_TYPES} URIs.")
    return None


def check_endpoint(url: str) -> Refusal | None:
    """Refuse where nothing could ever be pushed to; whether the address is public is judged at each push."""
    if len(url) > _LONGEST_URL:
        return Refusal("invalid_stream", f"endpoint_url has at most {_LONGEST_URL} characters.")
    try:
        checked_url(url, "endpoint_url")
    except InvalidPolicyError as error:
        return Refusal("invalid_stream", f"Nothing can be pushed there: {error}")
    return None


def check_header(value: str) -> Refusal | None:
    """Refuse what cannot be the value of one header (RFC 9110 §5.5): a line break would begin another."""
    if len(value) > _LONGEST_HEADER or not all(" " <= character <= "~" for character in value):
        return Refusal(
            "invalid_stream", f"authorization_header has at most {_LONGEST_HEADER} visible ASCII characters."
        )
    return None


def seal_header(data_key: DataKey, value: str, stream_id: str) -> bytes:
    """How the header is kept; nobody is shown it again."""
    return data_key.seal(value.encode(), _context(stream_id)) if value else b""


def _context(stream_id: str) -> str:
    return f"signal stream {stream_id}"
