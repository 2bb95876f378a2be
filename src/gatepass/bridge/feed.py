"""The feed of a bridge, for its readers only: snapshot, events and heartbeats of docs/protocol/revocation.md."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import TYPE_CHECKING

from gatepass.fanout import messages
from gatepass.fanout.readers import Readers
from gatepass.jose import jws
from gatepass.tokens import heartbeat, revocation_event, revocation_snapshot
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.revocation_snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gatepass.jose import Key
    from gatepass.tokens.bridge_entry import BridgeEntry

MAX_RECENT = 4_000
"""How many entries a reader may have missed; one message holds them. A reader that missed more starts over."""

_EPOCH_BYTES = 8
_BELIEVED_SECONDS = 86_400
_SNAPSHOT_SECONDS = 1.0
"""How old a snapshot may be that is sent again."""


class BridgeFeed:
    """What is published. Each start begins a new epoch: readers fetch the snapshot, which has everything.

    Attributes:
        readers: Who follows.
        entries: What is revoked.
        position: The last event.
    """

    def __init__(
        self, issuer: str, key: Key, entries: Mapping[str, BridgeEntry], *, clock: Callable[[], float]
    ) -> None:
        """Publish these entries.

        Args:
            issuer: The bridge's name.
            key: What it signs with.
            entries: What is revoked already.
            clock: The time, in seconds since 1970.
        """
        self.readers = Readers()
        self.entries = dict(entries)
        self.position = Position(secrets.token_hex(_EPOCH_BYTES), 0)
        self._issuer = issuer
        self._key = key
        self._clock = clock
        self._as_of = clock()
        self._recent: deque[tuple[int, str, BridgeEntry]] = deque(maxlen=MAX_RECENT)
        self._snapshot: tuple[Position, float, str] | None = None

    def add(self, entries: Mapping[str, BridgeEntry]) -> None:
        """Publish what has been stored."""
        changed = {digest: entry.merged(self.entries.get(digest)) for digest, entry in entries.items()}
        changed = {digest: entry for digest, entry in changed.items() if entry != self.entries.get(digest)}
        if not changed:
            return
        before = self.position
        self.entries |= changed
        self.position = Position(before.epoch, before.event_id + 1)
        self._recent.extend((self.position.event_id, digest, entry) for digest, entry in changed.items())
        self.readers.send(self._event(changed, after=before.event_id), self.position)

    def forget_ended(self, now: float) -> None:
        """Drop entries whose tokens have all expired."""
        self.entries = {digest: entry for digest, entry in self.entries.items() if entry.until > now}

    def was_read(self) -> None:
        """Record that the store could be read just now."""
        self._as_of = self._clock()

    def beat(self) -> None:
        """Send every reader a heartbeat: how old what it knows is."""
        self.readers.keep_alive(self._heartbeat())

    def welcome(self, after: Position | None) -> bytes:
        """What a reader gets first: the position, what it has missed, and the age of that."""
        position = self.position
        if after is None or after == position:
            return messages.hello(position) + self._heartbeat()
        if after.epoch != position.epoch or after.event_id > position.event_id:
            return messages.resync(position)
        is_complete = len(self._recent) < MAX_RECENT or self._recent[0][0] <= after.event_id
        if not is_complete:
            return messages.resync(position)
        missed = {digest: entry for event_id, digest, entry in self._recent if event_id > after.event_id}
        return messages.hello(position) + self._event(missed, after=after.event_id) + self._heartbeat()

    def snapshot(self) -> str:
        """Everything, signed."""
        now = time.monotonic()
        if self._snapshot is not None:
            position, made_at, token = self._snapshot
            if position == self.position and now - made_at < _SNAPSHOT_SECONDS:
                return token
        claims = Snapshot(
            iss=self._issuer,
            iat=int(self._as_of),
            exp=int(self._as_of) + _BELIEVED_SECONDS,
            epoch=self.position.epoch,
            event_id=self.position.event_id,
            jtis={},
            kids=(),
            issued_before=self.entries,
        )
        token = self._signed(revocation_snapshot.signing_input(claims, alg=self._key.alg, kid=self._key.kid or ""))
        self._snapshot = self.position, now, token
        return token

    def _event(self, entries: Mapping[str, BridgeEntry], *, after: int) -> bytes:
        claims = revocation_event.claims(
            issuer=self._issuer,
            now=self._clock(),
            position=self.position,
            revoked=Revoked(after=after, issued_before=dict(entries)),
        )
        signed = self._signed(revocation_event.signing_input(claims, alg=self._key.alg, kid=self._key.kid or ""))
        return messages.revoked(self.position, signed)

    def _heartbeat(self) -> bytes:
        claims = heartbeat.claims(issuer=self._issuer, position=self.position, as_of=self._as_of, now=self._clock())
        return messages.heartbeat(
            self._signed(heartbeat.signing_input(claims, alg=self._key.alg, kid=self._key.kid or ""))
        )

    def _signed(self, message: bytes) -> str:
        return jws.assemble(message, self._key.sign(message))
