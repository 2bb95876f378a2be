"""A webhook: where events are told of, and the secret that signs what is told (Standard Webhooks)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.jose.errors import InvalidPolicyError
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.webhooks.names import NAMES, TEST
from gatepass.verify.issuer import checked_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.keys.master_key import DataKey

OVERLAP_SECONDS = 86_400.0
"""How long the former secret signs too, after a new one was made."""
_LONGEST_URL = 2_048


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of what; the secrets are sealed. `former_secret` signs too until `former_until`."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: bytes
    former_secret: bytes = b""
    former_until: float = 0
    created_at: float = 0

    def hears_of(self, event: str) -> bool:
        """Whether it is told of an event of this name."""
        return event == TEST or event in self.events

    def secrets(self, data_key: DataKey, now: float) -> list[bytes]:
        """The keys that sign at this time, the newest first."""
        sealed = [self.secret, *([self.former_secret] if now < self.former_until else [])]
        return [data_key.unseal(each, _context(self.id)) for each in sealed]


class Webhooks(Protocol):
    """The webhooks, and the events that none of them was handed yet."""

    async def add(self, webhook: Webhook) -> None:
        """Add one."""
        ...

    async def all(self) -> list[Webhook]:
        """Every one, oldest first."""
        ...

    async def by_id(self, webhook_id: str) -> Webhook | None:
        """One."""
        ...

    async def put(self, webhook: Webhook) -> None:
        """Keep what has changed of one."""
        ...

    async def remove(self, webhook_id: str) -> bool:
        """Remove one; whether there was one."""
        ...

    async def next_sequence(self, webhook_id: str) -> int:
        """Count what it is told of."""
        ...

    async def has_news(self) -> bool:
        """Whether there are events to hand over."""
        ...

    async def take_news(self, limit: int) -> list[Event]:
        """Take the oldest of them, by id; of two nodes one gets each."""
        ...


def check_webhook(url: str, events: Iterable[str]) -> None:
    """Refuse what could never be told.

    Raises:
        Refusal: `invalid_webhook`.
    """
    try:
        checked_url(url, "url")
    except InvalidPolicyError as error:
        raise Refusal("invalid_webhook", f"This cannot be the URL of a webhook: {error}") from None
    if len(url) > _LONGEST_URL:
        raise Refusal("invalid_webhook", f"A URL has at most {_LONGEST_URL} characters.")
    wanted = set(events)
    if not wanted or not wanted <= NAMES:
        unknown = ", ".join(repr(name[:64]) for name in sorted(wanted - NAMES)) or "none"
        raise Refusal(
            "invalid_webhook", f"There is no event {unknown}: name at least one of {', '.join(sorted(NAMES))}."
        )


def seal_secret(data_key: DataKey, key: bytes, webhook_id: str) -> bytes:
    """How the key is kept."""
    return data_key.seal(key, _context(webhook_id))


def _context(webhook_id: str) -> str:
    return f"webhook {webhook_id}"
