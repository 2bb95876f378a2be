"""Everything known about one issuer's revocations, and its age."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal, TypeAlias

from .document import signer_of
from .events import KnownEvents
from .names import Names
from .proof import NO_PROOF
from .status_lists import StatusListCopies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gatepass.tokens.bridge_entry import BridgeEntry
    from gatepass.tokens.revocation_event import Position
    from gatepass.tokens.status_list import StatusReference
    from gatepass.verify.clocks import Moment
    from gatepass.verify.issuer import Offer
    from gatepass.verify.principal import Principal

    from .bridged import Bridged
    from .document import Document
    from .status_lists import Copy

Mode: TypeAlias = Literal["feed", "list"]
Stale: TypeAlias = Literal["serve", "refuse"]

PRUNE_SECONDS = 60

_MAX_LEEWAY = 300


class Known:
    """What one issuer has revoked, as far as known. The other modules read and update it.

    Attributes:
        issuer: Whose revocations.
        mode: `"feed"`: stream, snapshot and lists. `"list"`: snapshot and lists.
        stale: What to do with tokens when we are not up to date.
        stale_after: Seconds after which the last proof is worth nothing.
        offer: Where the issuer publishes them; None before its metadata has been read.
        snapshot: The snapshot; None if the issuer publishes none.
        names: Tokens and keys that are revoked by name.
        lists: The status lists.
        bridged: Where this is a bridge's feed: what it tells of another issuer, and nothing else is asked of it.
        events: Where we stand in the line of events.
        by_document: The youngest proof that the snapshot gave, or the lists where there is no snapshot.
        by_stream: The youngest proof that a heartbeat gave.
        issuer_time: The latest time that the issuer's clock has shown us.
        refusals: How many documents and events were refused.
    """

    def __init__(
        self, issuer: str, *, mode: Mode, stale: Stale, stale_after: float, bridged: Bridged | None = None
    ) -> None:
        """Start with nothing."""
        self.issuer = issuer
        self.mode = mode
        self.stale = stale
        self.stale_after = stale_after
        self.offer: Offer | None = None
        self.snapshot: Document | None = None
        self.names = Names()
        self.lists = StatusListCopies(issuer)
        self.bridged = bridged
        self.events = KnownEvents()
        self.by_document = self.by_stream = NO_PROOF
        self.issuer_time = -inf
        self.pruned_at = -inf
        self.refusals = 0

    # ── what to follow ──

    @property
    def feeds(self) -> bool:
        """Whether there is a stream."""
        return self.mode == "feed" and self.offer is not None and self.offer.stream_url is not None

    @property
    def has_no_names(self) -> bool:
        """Whether the issuer revokes nothing by id, as far as known: it publishes no snapshot."""
        return self.offer is not None and self.snapshot is None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to follow: the issuer offers nothing, and no token names a list."""
        return self.has_no_names and not self.lists.awaited and not self.lists.held

    def statuses_of(self, principal: Principal) -> tuple[StatusReference, ...]:
        """The entries of status lists to look at; those that another issuer's token names are none of a bridge's."""
        return principal.every_status if self.bridged is None else ()

    # ── age ──

    def age_of_names(self, now: Moment) -> float:
        """The age of what is known of tokens and keys: the snapshot and the stream each have all of it."""
        return min(self.by_document.age(now), self.by_stream.age(now))

    def age_of(self, copy: Copy, now: Moment) -> float:
        """The age of what is known of a list: by its document, or by the stream if that keeps it current."""
        age = copy.proof.age(now)
        return min(age, self.by_stream.age(now)) if copy.is_joined else age

    def are_names_fresh(self, now: Moment) -> bool:
        """Whether the revoked tokens and keys are known recently enough."""
        return self.has_no_names or self.age_of_names(now) < self.stale_after

    def joins(self, copy: Copy) -> bool:
        """Whether no event was missed between a list and the stream."""
        return self.feeds and self.events.cover(copy.epoch, copy.event_id)

    # ── changes ──

    def add_names(self, jtis: Mapping[str, float], issued_before: Mapping[str, BridgeEntry]) -> None:
        """Refuse tokens from now on: by id, and at a bridge by the subjects and sign-ins that it names."""
        self.names.add_tokens(jtis)
        if self.bridged is not None:
            self.bridged.add(issued_before)

    def start_at(self, position: Position) -> None:
        """Follow the events from here on; lists of another epoch are fetched again."""
        is_new_epoch = self.events.position is not None
        self.events.start_at(position)
        for copy in self.lists.held.values():
            copy.is_joined = self.joins(copy)
            if is_new_epoch:
                copy.expire()

    def start_over(self) -> None:
        """Start over from the documents: events are missing."""
        self.events.position = None
        if self.snapshot is not None:
            self.snapshot.expire()
        for copy in self.lists.held.values():
            copy.is_joined = False
            copy.expire()

    def refuse_keys(self, kids: Iterable[str]) -> None:
        """Distrust keys, and what they signed."""
        new = self.names.add_keys(kids)
        for document in self._documents() if new else ():
            if document.kid in new:
                document.distrust()

    def checked_signer(self, token: str) -> str:
        """The key that a document names as its signer, unless that is revoked.

        Raises:
            InvalidKeyError: It does not say.
            RevokedError: The key is revoked.
        """
        kid = signer_of(token)
        self.names.refuse_signer(kid)
        return kid

    def prune(self, now: Moment) -> None:
        """Drop tokens that have expired, by our clock and the issuer's, beyond any verifier's leeway.

        By both clocks, because a clock of ours that is ahead for a while must not drop revocations.
        """
        self.pruned_at = now.run
        ended = min(now.wall, self.issuer_time) - _MAX_LEEWAY
        self.names.forget_ended(ended)
        if self.bridged is not None:
            self.bridged.forget_ended(ended)
        for copy in self.lists.held.values():
            copy.is_resting = True

    def restart(self) -> None:
        """Start over in a forked process: what is revoked stays so, and everything is fetched again."""
        self.by_document = self.by_stream = NO_PROOF
        for document in self._documents():
            document.begin_anew()
        for copy in self.lists.held.values():
            copy.proof = NO_PROOF

    def _documents(self) -> list[Document]:
        """The snapshot, if there is one, and the lists that we hold."""
        return [*(() if self.snapshot is None else (self.snapshot,)), *self.lists.held.values()]
