"""The relay: what has come from upstream, and who reads it here."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.fanout import messages
from gatepass.fanout.readers import Readers
from gatepass.jose.errors import BadClaimError
from gatepass.relay.documents import RelayedDocuments
from gatepass.relay.events import RelayedEvents
from gatepass.tokens.revocation_event import Position
from gatepass.verify.clocks import running_clock, wall_clock
from gatepass.verify.fetch import KeySource
from gatepass.verify.follow import Follower
from gatepass.verify.following.revocations import Revocations
from gatepass.verify.following.upstreams import checked_relay
from gatepass.verify.http_client import HttpxFetch
from gatepass.verify.issuer import IssuerKeys
from gatepass.verify.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gatepass.relay.documents import RelayedDocument
    from gatepass.tokens.revocation_event import RevocationEvent
    from gatepass.verify.following.documents import ReadList, ReadSnapshot, Want
    from gatepass.verify.following.health import Health

_STALE_SECONDS = 60.0


class Relay:
    """Follows an issuer, and passes on what it accepts. One event loop runs all of it.

    Attributes:
        readers: Who reads the stream.
        follower: What follows; `run` it.
    """

    def __init__(  # noqa: PLR0913 - each is named where it is called
        self,
        issuer: str,
        upstreams: Sequence[str] = (),
        *,
        ca_file: str | None = None,
        allow_http: bool = False,
        clock: Callable[[], float] = wall_clock,
        running: Callable[[], float] = running_clock,
    ) -> None:
        """Prepare to follow.

        Args:
            issuer: Whose revocations.
            upstreams: Other relays to follow, in this order, before the issuer itself.
            ca_file: A PEM file of the only certificate authorities to trust.
            allow_http: Whether hosts of a development network are asked without TLS.
            clock: The time, in seconds since 1970.
            running: The clock that only runs, in seconds.

        Raises:
            InvalidPolicyError: A URL or the file cannot be used.
        """
        network = Network.of(fetch=None, ca_file=ca_file, proxy=None, client_id=None, client_secret=None)
        self.readers = Readers()
        self._source = KeySource(
            IssuerKeys(issuer, allow_http=allow_http), network.for_keys(), clock=clock, on_learned=self._learn_offer
        )
        fetch = network.for_documents()
        self.follower = Follower(
            Revocations(
                issuer,
                mode="feed",
                stale="refuse",
                stale_after=_STALE_SECONDS,
                relays=[checked_relay(each) for each in upstreams],
            ),
            source=self._source,
            fetch=fetch,
            listen=network.for_stream(issuer),
            close=fetch.aclose if isinstance(fetch, HttpxFetch) else None,
            clock=clock,
            running=running,
            on_keys_refused=lambda: None,
            passing=self,
        )
        self._known = self.follower.revocations.known
        self._documents = RelayedDocuments(self.follower)
        self._events = RelayedEvents()
        self._beat = b""
        self._origin = urlsplit(issuer)._replace(path="").geturl()

    def _learn_offer(self) -> None:
        self.follower.learn_offer()

    # ── what comes ──

    def document(self, want: Want, token: str, read: ReadList | ReadSnapshot) -> None:
        """Keep a document; a snapshot may be the beginning of another line of events."""
        with suppress(BadClaimError):  # it was asked for here meanwhile, and is newer
            self._documents.keep(want, token, read)
        self._keep_up()

    def event(self, token: str, event: RevocationEvent) -> None:
        """Send an event to everybody, unless it has come before."""
        self._documents.changed(event)
        message = self._events.add(token, event)
        if message is not None:
            self.readers.send(message, event.position)
        self._keep_up()

    def heartbeat(self, token: str) -> None:
        """Send a heartbeat to everybody."""
        self._keep_up()
        self._beat = messages.heartbeat(token)
        self.readers.keep_alive(self._beat)

    def _keep_up(self) -> None:
        """If the follower had to start over, so do the readers: what they would have to be sent never came."""
        position = self._known.events.position
        if position is not None and position != self._events.position:
            is_first = self._events.position is None
            self._events.start_at(position)
            if not is_first:
                self.readers.send(messages.resync(position), position)

    # ── what is asked for ──

    @property
    def stream_path(self) -> str | None:
        """Where the stream is, by the issuer's metadata."""
        offer = self._known.offer
        return None if offer is None or offer.stream_url is None else urlsplit(offer.stream_url).path

    def welcome(self, last_event_id: str) -> bytes | None:
        """What a reader gets first: a greeting, what it has missed, and the last proof.

        Args:
            last_event_id: The position up to which it knows everything; "" if it does not say.

        Returns:
            The messages; None if there is nothing to follow here: the relay is not up to date, or behind the reader.
        """
        position = self._events.position
        if position is None or not self.is_live:
            return None
        after = Position.parse(last_event_id) or position
        if after.epoch == position.epoch and after.event_id > position.event_id:
            return None
        missed = self._events.since(after.event_id) if after.epoch == position.epoch else None
        if missed is None:
            return messages.resync(position)
        return messages.hello(position) + missed + self._beat

    async def fetch(self, path: str) -> RelayedDocument | None:
        """The document that the issuer has at a path; None if there is none, or none can be had now."""
        return await self._documents.get(self._origin + path)

    # ── how it is ──

    @property
    def is_live(self) -> bool:
        """Whether revocations arrive within a second."""
        return self.follower.revocations.stream.is_live(self.follower.now)

    def health(self) -> Health:
        """How up to date it is."""
        now = self.follower.now
        keys = self._source.issuer
        return self.follower.health(keys_fresh=keys.is_fresh(now.wall), keys_usable=keys.is_usable(now.wall))

    @property
    def upstream(self) -> str:
        """Whom it follows now."""
        upstreams = self.follower.revocations.stream.upstreams
        return upstreams.names[upstreams.place] if upstreams.is_at_relay else self._known.issuer
